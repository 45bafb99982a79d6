"""The relay's parts."""
