"""The consumer of events that projectors and policies share: it proves that nothing is missing."""
