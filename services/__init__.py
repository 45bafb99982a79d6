"""The processes and tools of the core, and the packages that they share."""
