"""Authentication: visitors by widget key, console users by JWT."""
