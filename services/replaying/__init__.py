"""The parts of the replay tool."""
