"""The parts of the projector: its consumer of the bus and the watch over it."""
