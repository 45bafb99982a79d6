"""What we remember: tables derived from events, the rules of scoring, and the engine."""
