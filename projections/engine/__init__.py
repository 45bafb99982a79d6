"""The projection engine: applies events with fencing and checkpoints; rebuilds and verifies."""
