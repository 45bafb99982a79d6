"""Retention: remove what an organisation keeps for a limited time only."""
