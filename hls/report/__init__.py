"""What firmware costs and loses, for people.

fidelity          the same score from float to firmware
adopted_fidelity  the same for a network that came trained
implementations   HLS project and RTL side by side
page              both as HTML
spread            what the seed of an experiment changes
verdicts          what a proof has found, in words
"""
