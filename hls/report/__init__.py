"""What firmware costs and loses, for people.

fidelity         the same score from float to firmware
implementations  HLS project and RTL side by side
page             both as HTML
verdicts         what a proof has found, in words
"""
