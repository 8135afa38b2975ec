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
validate     exact reference against Keras and C-simulation, every event, every bit
divergence   where they part: layer, element, event
fidelity     the same score from float to firmware
page         the fidelity report as HTML
stages       `check`, `convert` and `validate` of a run, and its synthesis

The same graph as RTL:

symbolic     rounding, saturation, squares and tables as logic
rtl          trigger graph -> Verilog and VHDL, simulated by Verilator
cost         LUT and latency in milliseconds, without tracing
rtl_stages   the commands `rtl` and `synthesize` of a run
scan         the command `scan`: physics against resources

And of both:

compiled         programs that simulate a project
synthesis        resources and timing, by open tools and, where they are, vendors'
implementations  HLS project and RTL side by side
"""
