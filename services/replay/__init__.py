"""Replay: rebuild tables from the log, verify them, show one lead. No side effects."""
