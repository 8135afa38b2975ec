"""A plain Keras model in fixed point, its twin, and formats that fit it.

flat_model      the layers of a Keras model in one row, those of models inside it among them
formats         formats of all numbers of a twin, and of single layers
layers          which layers of Keras have a form in fixed point
plan            where a plain Keras model is rounded
twin            a plain Keras model -> the same in fixed point
tensor_profile  values of one tensor on a sample, and the format that fits them
profile         ranges of every tensor of a model, and formats that fit them
"""
