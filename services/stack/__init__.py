"""Servers and processes on this machine: PostgreSQL and a broker from wheels, no Docker."""
