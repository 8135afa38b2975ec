"""Collision events made here: Pythia 8, a parametrized detector response, FastJet.

    processes    what is simulated, as Pythia settings; the background cocktail
    collisions   Pythia 8: final-state particles of each collision, pile-up-like overlay
    detector     parametrized response, leptons, isolation, jets, missing transverse momentum
    production   many seeds in parallel, resumable, written in the ADC2021 layout

Needs the optional extra `physics` (pythia8mc and fastjet, both GPL):
`pip install keras-ae[physics]`.
"""
