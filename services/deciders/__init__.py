"""Deciders: pure functions that decide a command on the events so far."""
