"""The parts of retention."""
