"""The bus: topics, keys and the wire format of events on Kafka."""
