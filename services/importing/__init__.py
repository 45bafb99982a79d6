"""Importing leads of another system from CSV: a mapping, a preview, facts with instants."""
