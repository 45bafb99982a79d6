"""The parts of adoption."""
