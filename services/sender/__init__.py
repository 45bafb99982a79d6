"""The sender: the process that hands due messages over to providers, each at most once."""
