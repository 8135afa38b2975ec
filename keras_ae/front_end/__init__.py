"""What a trigger's wires carry, and what of it a network sees.

last_bit   the value of a last bit, as an expression
fields     a number on the wires, and collections of objects that have such numbers
front_end  all of an event: columns, their choice by name, hardware values of physical ones
presets    front ends by name, or of a YAML file
scaled_inputs  hardware values -> network inputs, exactly, as firmware does
float_inputs   the same by any function, for a network without firmware
input_view     which of the two, of which columns; fitted on background
packing    words of bits that carry the objects
"""
