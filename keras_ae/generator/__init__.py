"""Collision events made here: Pythia 8, a parametrized detector response, FastJet.

    processes      what is simulated, as Pythia settings; the background cocktail
    collisions     Pythia 8: final-state particles of each collision
    decays         decays of hadrons at rest, made once and used for all of a kind
    heavy_flavour  multijet events with a lepton from a b or c quark
    streams        the collisions of a process
    minimum_bias   a library of other collisions, and their overlay
    pile_up        how many other collisions lie in a crossing
    density        median density of transverse momentum
    detector       parametrized response, leptons, isolation, jets, missing transverse momentum
    boosted_jets   constituents of QCD and top jets of 550 to 650 GeV
    workers        processes that work through tasks, and are replaced when they die
    progress       rate, acceptance and effective number by process
    chunks         many seeds in parallel, resumable
    production     samples of L1 events in the ADC2021 layout
    jets           samples of jet images
    commands       the commands that make both

Needs the optional extra `physics` (pythia8mc and fastjet, both GPL):
`pip install keras-ae[physics]`.
"""
