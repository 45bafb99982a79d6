"""Adapters: code that talks to external systems, behind small interfaces."""
