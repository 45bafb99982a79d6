"""The workflows process: policies start and end runs, and runs move when their steps are due."""
