"""The HTTP API: routes and schemas, one module per noun, authentication and rate limits."""
