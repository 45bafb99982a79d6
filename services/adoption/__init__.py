"""Adoption: append events for rows that the host already had."""
