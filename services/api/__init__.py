"""The HTTP API: routes by noun, the schemas of their bodies, authentication and rate limits."""
