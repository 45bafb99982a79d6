"""The tests mirror the rooms: `tests/events/log/test_append.py` tests `events/log/append.py`."""
