"""Step types: one module for each kind of action of a workflow step."""
