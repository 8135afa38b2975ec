"""What firmware computes: layers with an exact form, and the trigger graph made of them.

A graph is stored, read and evaluated without TensorFlow, hls4ml or da4ml.

grid, interface      which values a tensor can take; ports, and which values they take
refusal              why a layer cannot be put into firmware as it is
symbolic             rounding, saturation, squares and tables as logic
shift_add, counting  what logic is counted in
quantized_weights    weights in fixed point, and the sums they take part in
layer                what a layer is: the class that all derive from, and where they are registered
layers               all of them, those of networks and the trigger's own
node                 a layer at its place
exact                the reference: nodes evaluated in NumPy
trigger_output       what a trigger gives, by whatever evaluates it
layer_graph          nodes joined
trigger_graph        scores and decision: what is stored, converted and proved
storage              graphs as files
keras_layers, keras_options, keras_form, keras_network   graphs from Keras, and back
packed_ports         inputs that are packed words, and what unpacks them
roles                which tensor of the networks is what to the trigger
assembly             inputs and networks as nodes
score_nodes          scores that are asked for, as nodes on them
baselines            observables of an event as scores, without a network
build                makes a trigger graph of networks, scores and threshold
facts                what a graph is, in words
front_end_facts      what the values of its input are, in words and for interface files
"""
