"""The outside world, each behind a small interface."""
