"""The event log: the append-only table `crm_events`, the single source of truth."""
