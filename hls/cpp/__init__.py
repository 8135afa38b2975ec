"""The trigger graph as an HLS project, written by hls4ml and simulated by g++.

backends          what sets the backends of hls4ml apart
rules, linter     what a graph, and a model, must keep to
quantizers        which quantizers hls4ml fuses into the layer before, and which are functions
nodes             hls4ml's node for the trigger's own layers; their C++ is in templates/
overrides         what hls4ml's bit-exact pass gets wrong, mended
convert           trigger graph -> HLS project
finish            from what hls4ml writes to a project that is exact, movable, native to its tool
headers           C++ that layers bring themselves
hls_handover      README, Makefile and exact comparison in the project
inputs_header     inputs.h: from physical units to hardware values
event_structures  structures of its events
cpp_names         names of a front end as names of C++
ports, constants  what its C++ declares and holds, read again
csim              C-simulation
"""
