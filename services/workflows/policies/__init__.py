"""The policies, one module each; `catalog.py` is their index."""
