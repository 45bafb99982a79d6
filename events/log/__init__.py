"""The log: the append-only table `crm_events`, the single source of truth, and its order."""
