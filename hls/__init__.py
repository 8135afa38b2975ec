"""From a trained autoencoder to a trigger in firmware, and the proof that both are the same.

backends   what sets the backends of hls4ml apart
settings   FirmwareSettings: part, clock, io type, strategy
grid       which values a tensor can take
layers     inputs, scaling, tables, scores and decision as Keras layers, exact and traceable
logic      tracing them into combinational logic with da4ml
trigger    trained model + scaler + scores + threshold -> the flat trigger graph
exact      the trigger graph in exact arithmetic: the reference
interface  ports of the firmware
nodes      hls4ml's node for our layers; their C++ is in templates/
handlers   teaches hls4ml's Keras 3 front end the layers of the graph
project    what hls4ml writes, made exact, movable and native to its tool
convert    trigger graph -> HLS project
handover   README, Makefile and exact comparison in the project
csim       C-simulation of a project with g++
synthesis  resources and timing, by a vendor's tool where there is one
validate   exact reference against Keras and C-simulation, every event, every bit
stages     `convert` and `validate` of a run, and its synthesis
"""
