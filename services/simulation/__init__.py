"""Simulation: generate realistic traffic from a seed and send it by HTTP or Kafka."""
