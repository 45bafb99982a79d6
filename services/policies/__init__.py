"""When X, then Y: reactions that issue commands. Workflows bring the first; replay imports none."""
