# Synthesis, place and route of {{ top }}, with virtual pins.
#   quartus_sh -t quartus.tcl [DEVICE [CLOCK_NS]]
package require ::quartus::project
package require ::quartus::flow
set device {{ quartus_part }}
set clock_ns {{ clock_ns }}
if {[llength $quartus(args)] > 0} { set device [lindex $quartus(args) 0] }
if {[llength $quartus(args)] > 1} { set clock_ns [lindex $quartus(args) 1] }

project_new {{ top }} -overwrite
set_global_assignment -name DEVICE $device
set_global_assignment -name TOP_LEVEL_ENTITY {{ top }}
set_global_assignment -name PROJECT_OUTPUT_DIRECTORY output_files
# Contents of tables are looked for here.
set_global_assignment -name SEARCH_PATH verilog
foreach file [glob verilog/*.v] { set_global_assignment -name VERILOG_FILE $file }

set constraints [open clock.sdc w]
puts $constraints "create_clock -name clk -period $clock_ns \[get_ports clk\]"
close $constraints
set_global_assignment -name SDC_FILE clock.sdc
foreach port [list {% for port in pins %}{{ port }} {% endfor %}] {
    set_instance_assignment -name VIRTUAL_PIN ON -to $port
    set_instance_assignment -name VIRTUAL_PIN ON -to "$port\[*\]"
}
execute_flow -compile
project_close
