"""What a user asks for: the YAML as frozen, strict models. Knows no TensorFlow, and no hls4ml.

experiment     an experiment: all sections, and whether they fit
architecture   what is connected to what
objectives     what is minimized
embedding      a network that is trained first, and frozen
adoption       a network that comes trained, and what is made of it
tensor_scores  scores of any tensors of a network
teachers       whose scores a student learns
learning       how models learn: training, student, quantization
trigger        how much background may pass, by which score
firmware       what the firmware is made for
targets        what one can ask each of hls4ml's backends for: parts, strategies
report         how results are summed up
scan           which keys of an experiment vary
"""
