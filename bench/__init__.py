"""Measurements of Second Basket on the machine at hand. Run as ``make bench``.

Every comparison is of things measured in turns within one run, so that a busy
machine is busy for all of them; medians and spreads are of the turns.
"""
