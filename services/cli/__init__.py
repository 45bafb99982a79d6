"""The `crm` command: one module per sub-command in `commands/`."""
