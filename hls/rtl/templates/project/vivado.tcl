# Synthesis, place and route of {{ top }}, out of context.
#   vivado -mode batch -source vivado.tcl [-tclargs PART CLOCK_NS]
set part {{ vivado_part }}
set clock_ns {{ clock_ns }}
if {$argc > 0} { set part [lindex $argv 0] }
if {$argc > 1} { set clock_ns [lindex $argv 1] }
file mkdir reports

set constraints [open reports/clock.xdc w]
puts $constraints "create_clock -name clk -period $clock_ns \[get_ports clk\]"
close $constraints

create_project -in_memory -part $part
add_files [glob verilog/*.v]
# Contents of tables.
foreach file [glob -nocomplain verilog/*.mem] { add_files $file }
read_xdc -mode out_of_context reports/clock.xdc
synth_design -top {{ top }} -part $part -mode out_of_context -flatten_hierarchy full
opt_design
place_design
phys_opt_design
route_design
report_utilization -file reports/utilization.rpt
report_timing_summary -file reports/timing.rpt
write_checkpoint -force reports/{{ top }}.dcp
