"""Data sources, one a file, and the scaling to hardware integers.

l1        Level-1 trigger events in the ADC2021 layout
dataset   background in three parts and signals
scaling   physical units -> hardware integers -> network inputs
"""
