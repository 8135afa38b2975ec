"""Whether events are what a front end says, before a network learns from them.

fields    a field of a collection, in all its slots
counts    how often something was seen, and where first
values    what is counted in the values of a field
samples   what is counted in the events of a sample, and a part of them that is kept
hashing   events as one number each
shapes    how far a distribution is from a uniform one
report    findings, the numbers of each field and sample, and their table
rule      what a rule is, what it sees, and what it says
of_values, of_objects, of_samples  what rules look for
rules     the rules, their levels and limits
audit     events in, a report out
"""
