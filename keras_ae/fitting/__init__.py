"""Fitting models by gradient, so that it can be interrupted at any time.

fit          early stopping, best weights, continuation
batches      batches for training
pruning      small weights to zero while training
bit_penalty  what weights cost in logic, as a penalty while training
"""
