"""Measurement of the HTTP API, compared with bare handlers of the same jobs."""
