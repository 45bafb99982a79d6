"""Measurement of other event stores: the same events, appended in bulk to the same PostgreSQL."""
