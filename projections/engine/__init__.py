"""The engine: folds facts into rows, fenced and checkpointed; rebuilds and verifies them."""
