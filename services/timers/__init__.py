"""The timers: the process that appends the events that the passing of time causes."""
