"""The trigger graph as pipelined logic by distributed arithmetic, in Verilog and VHDL.

rules         what a graph must keep to
logic         layers and graphs traced into logic with da4ml
levels        when each operation is done, so that a pipeline can be cut
design        what a pipeline is, in numbers
write         trigger graph -> Verilog and VHDL
rtl_handover  README, interface file, scripts and test bench beside them
rendering     files of templates
words         values of ports as bits
simulation    every event through the pipeline, cycle by cycle
verilator     its Verilog
ghdl          its VHDL, where GHDL is installed
"""
