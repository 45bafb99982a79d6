"""The demo: simulate leasing on an own stack, crash, rebuild and verify."""
