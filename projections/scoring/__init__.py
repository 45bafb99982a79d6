"""The rules of scoring: pure functions of facts and an instant."""
