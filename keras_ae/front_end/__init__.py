"""What a trigger's wires carry, and what of it a network sees.

`FrontEnd` states the wires: fields with unit, last bit and format, in collections of objects. It
makes hardware values of physical ones, exactly. An `InputView` chooses and scales what a network
sees of them; fitted on background it is an `InputMap`.
"""
