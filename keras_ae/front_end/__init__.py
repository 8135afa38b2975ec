"""What a trigger's wires carry.

last_bit   the value of a last bit, as an expression
fields     a number on the wires, and collections of objects that have such numbers
front_end  all of an event: columns, their choice by name, hardware values of physical ones
presets    front ends by name, or of a YAML file
packing    words of bits that carry the objects
"""
