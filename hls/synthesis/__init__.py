"""What a design takes and how fast it is, by the tools of synthesis that are there.

resources   ResourceReport, of any tool
open_tools  programs that come as wheels, or are on PATH
yosys       cells of RTL, for AMD's families
netlist     paths between the registers of what yosys made
nextpnr     place and route of RTL in an ECP5
vendor_hls  an HLS project by its vendor's tool
vendor_rtl  RTL by Vivado and Quartus
"""
