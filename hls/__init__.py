"""From a trained autoencoder to a trigger in firmware, and the proof that both are the same.

backends     what sets the backends of hls4ml apart
settings     FirmwareSettings: part, clock, io type, strategy
grid         which values a tensor can take
layers       inputs, scaling, tables and decision as Keras layers, exact and traceable
score_layers the scores
trigger      trained model + scaler + scores + threshold -> the flat trigger graph
operations   layers of Keras and QKeras in exact arithmetic, and what makes them exact
refusal      why a layer cannot be put into firmware
exact        the trigger graph in exact arithmetic: the reference
check        the linter: every rule of exactness and synthesis
interface    ports of the firmware
nodes        hls4ml's node for our layers; their C++ is in templates/
handlers     teaches hls4ml's Keras 3 front end the layers of the graph
project      what hls4ml writes, made exact, movable and native to its tool
convert      trigger graph -> HLS project
handover     README, Makefile and exact comparison in the project
csim         C-simulation of a project with g++
synthesis    resources and timing, by a vendor's tool where there is one
validate     exact reference against Keras and C-simulation, every event, every bit
divergence   where they part: layer, element, event
fidelity     the same score from float to firmware
page         the fidelity report as HTML
stages       `check`, `convert` and `validate` of a run, and its synthesis

The same graph as RTL:

symbolic        rounding, saturation, squares and tables as logic
logic           layers and graphs traced into logic with da4ml
levels          when each operation is done, so that a pipeline can be cut
rtl             trigger graph -> Verilog and VHDL
rtl_handover    README, interface file, scripts and test bench of the RTL
rtl_simulation  every event through the pipeline, by Verilator
open_tools      yosys and nextpnr, as wheels or on PATH
yosys           cells of the RTL
nextpnr         place and route in an ECP5
rtl_synthesis   the same by vendors' tools, where they are
cost_model      LUT and latency in milliseconds, without tracing
                (cost_features, shift_add, liveness: what it counts)
implementations HLS project and RTL side by side
rtl_stages      the commands `rtl` and `synthesize` of a run
scan            the command `scan`: physics against resources
"""
