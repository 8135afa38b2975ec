"""From a trained autoencoder to a trigger in firmware, and the proof that both are the same.

A line knows its room by the verb:

graph      what is computed: exact layers, scores, decision; the trigger graph
cpp        how it is written as an HLS project
rtl        how it is written as Verilog and VHDL
cost       what its logic takes, in milliseconds
synthesis  what its cells and timing are, by the tools that are there
proof      whether all of these agree, every event, every bit
report     what firmware costs and loses, for people
stages     when: a run directory -> the above
scan       many runs: physics against resources
cli        the command `keras-ae`
compiled   programs that simulate a project, in whatever language

Who may import whom is in `tests/test_imports.py`.
"""
