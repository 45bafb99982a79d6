"""HTTP: routers by noun, and what all of them share."""
