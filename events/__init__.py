"""Events of the leasing CRM: their classes and catalog, the event log and the bus."""
