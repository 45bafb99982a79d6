"""The replay worker: rebuilds, verifications and retries that operators ask for in the console."""
