"""The data of one person: where it is, and its export."""
