"""The bus: topics, keys and the wire form of facts on Kafka."""
