"""The rules of sending: pure functions that say whether a message may leave now, one in a module.

They are asked when a message is handed over, and again when it was held.
"""
