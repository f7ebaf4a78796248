"""Benchmarks: how fast learnerdsl is beside other optimizers; run by `python -m benchmarks`."""
