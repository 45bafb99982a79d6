"""A consumer of the core: it writes the events of one organisation, decrypted, as JSON lines."""
