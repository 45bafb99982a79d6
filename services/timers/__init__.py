"""The timers: the process that appends the events that time alone causes."""
