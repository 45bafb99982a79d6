"""Lead import: append the leads of a CSV file as events."""
