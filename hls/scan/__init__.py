"""A scan: many experiments, each measured in physics and in resources, and their Pareto front.

commands         the command `keras-ae scan`
run              the loop: which trial comes next, who works on it, what came of it
study            the journal, and the search by Optuna
workers          processes, or a Dask cluster
trial            one trial in a worker
measurement      what a trial is judged by
measure          train, quantize, and what the trigger graph is worth and costs
without_signals  what it is worth without a signal: agreement, likelihood, stability
results          the front as table, figure and experiments
"""
