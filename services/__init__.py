"""What runs: a module directly in this room is a process, a tool, or the one command handler."""
