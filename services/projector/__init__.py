"""The projector: the process that folds events from the bus into the tables."""
