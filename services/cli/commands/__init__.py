"""The sub-commands of `crm`, one module each."""
