"""Benchmarks: the speed of the core, as ratios to what the servers can do at most."""
