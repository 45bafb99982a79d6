"""The intake: the process that reads `crm.intake` and appends or rejects its records."""
