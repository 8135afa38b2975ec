"""When what is done: stages that take a run directory and leave their results in it.

table     stage -> the function that does it
events    what a run's firmware is given
adopted   `adopt` and `evaluate` of a network that came trained
check     what keeps an experiment from becoming firmware
firmware  `convert` and `validate`, and the vendor's synthesis of what was converted
rtl       the commands `rtl` and `synthesize`
"""
