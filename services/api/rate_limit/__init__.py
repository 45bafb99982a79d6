"""Rate limits of the widget routes, counted in the database."""
