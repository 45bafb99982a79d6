"""The application layer: command handler, unit of work and one module per use case."""
