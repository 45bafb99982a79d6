"""Tests, laid out like the packages: `tests/events/log/test_append.py` tests `append.py`."""
