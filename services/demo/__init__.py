"""The demo: a day of leasing on a stack of its own, with a crash, a rebuild and a verification."""
