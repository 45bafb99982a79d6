"""Timers: due timers become committed rows, by the core and by other queues on PostgreSQL."""
