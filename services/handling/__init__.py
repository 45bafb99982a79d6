"""The parts of the one command handler."""
