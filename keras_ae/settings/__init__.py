"""What a user asks for: the YAML as frozen, strict models. Knows no TensorFlow, and no hls4ml.

experiment    an experiment: all sections, and their mistakes by dotted path
architecture  what is connected to what
objectives    what is minimized
learning      how models learn: training, student, quantization
firmware      what the firmware is made for
scan          which keys of an experiment vary
"""
