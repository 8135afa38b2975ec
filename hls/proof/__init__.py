"""That reference, Keras, C++ and RTL are the same function, and where they are not.

stress          events that provoke rounding and overflow
comparison      two evaluations of the same events
reading         a network itself against its exact form
keras_rounding  what float32 explains
divergence      the first layer, element and event that differ
validate        reference against Keras and C-simulation, every event, every bit
rtl_report      reference against RTL, and in which cycle
"""
