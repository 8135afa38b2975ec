"""What RTL takes, in milliseconds, without tracing it.

model      LUT, latency and bit operations
monitor    a Keras callback that shows them in training
features   adders, multiplexers and tables, counted layer by layer
liveness   values that the score depends on
"""
