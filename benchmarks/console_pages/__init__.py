"""Measurement of every page of the console, for a property with very many leads."""
