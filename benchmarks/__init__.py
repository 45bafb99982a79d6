"""Benchmarks: what the core does in a second, as ratios to what the servers could do at most."""
