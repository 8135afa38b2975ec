"""When what is done: stages that take a run directory and leave their results in it.

firmware  `check`, `convert` and `validate`, and the vendor's synthesis of what was converted
table     stage -> the function that does it
rtl       the commands `rtl` and `synthesize`
"""
