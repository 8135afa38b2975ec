"""What firmware computes: layers with an exact form, and the trigger graph made of them.

A graph is stored, read and evaluated without TensorFlow, hls4ml or da4ml.

grid, interface      which values a tensor can take; ports, and which values they take
refusal              why a layer cannot be put into firmware as it is
symbolic             rounding, saturation, squares and tables as logic
shift_add, counting  what logic is counted in
quantized_weights    weights in fixed point, and the sums they take part in
layer                what a layer is: the class that all derive from, and where they are registered
kernel_layers, quantizer, moving_layers, pooling_layers   layers of networks
logic_layer          what the trigger's own layers share
scale_objects, lookup_table, score_layers, error_scores, decision   these
registered_layers    all of them
exact                the reference: layers evaluated in NumPy
layer_graph          layers joined
trigger_graph        scores and decision: what is stored, converted and proved
storage              graphs as files
keras_layers, keras_options, keras_form   graphs from Keras, and back
network_rules        what networks must keep to, so that
build                trained model + scores + threshold -> trigger graph
facts                what a graph is, in words
"""
