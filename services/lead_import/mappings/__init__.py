"""Mappings of usual exports, as TOML files: `crm import leads FILE --mapping hubspot`."""
