"""The parts that every process needs: settings, connections, clock, logs, metrics, health."""
