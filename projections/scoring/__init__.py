"""The rules of scoring: pure functions of scoring inputs and an instant."""
