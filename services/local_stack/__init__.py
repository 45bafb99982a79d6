"""The local stack: PostgreSQL, a broker and all processes on this machine, without Docker."""
