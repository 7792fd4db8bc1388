"""Random inputs against literal oracles: ``python tools/fuzz`` (or ``make fuzz``).

A target is a module with ``make(rng) -> Case``; ``core`` judges the answer. Input
number ``n`` of a target depends on the seed, the target's name and ``n`` alone.
"""
