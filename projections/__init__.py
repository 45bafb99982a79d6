"""Projections: tables derived from events with their queries, the scoring rules, the engine."""
