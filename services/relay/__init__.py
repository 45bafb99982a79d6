"""The relay: the process that numbers committed events and publishes them to `crm.events`."""
