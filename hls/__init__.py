"""From a trained autoencoder to a trigger in firmware, and the proof that both are the same.

settings   FirmwareSettings: part, clock, io type, strategy
layers     scaling, score and decision as Keras layers that can be traced
logic      tracing them into combinational logic with da4ml
trigger    trained model + scaler + score + threshold -> the flat trigger graph
handlers   teaches hls4ml's Keras 3 front end our layers
convert    trigger graph -> HLS project
csim       C-simulation of a project with g++
validate   quantized Keras against C-simulation, every event, every bit
"""
