"""What calendars are told of tours."""
