"""The measurement of growth: what a log of ten times the length costs."""
