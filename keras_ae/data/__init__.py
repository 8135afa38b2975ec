"""Data sources, one a file, and the scaling to hardware integers.

l1           Level-1 trigger events in the ADC2021 layout
jets         jet images: preprocessing and our own files
top_tagging  the public top-tagging reference set
digits       scikit-learn's digits, and MNIST from the user's file
array_file   events of any network, as arrays in one file
sources      the section `data` of an experiment
chunk        events as a source gives them, some at a time
dataset      background in three parts and signals, from any source
"""
