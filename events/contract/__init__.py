"""The vocabulary as others see it: JSON Schemas, AsyncAPI, and what may change in it."""
