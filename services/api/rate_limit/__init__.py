"""Rate limits of the widget routes."""
