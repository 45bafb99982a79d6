"""The door for producers: what comes by Kafka is checked, taken in, kept waiting or refused."""
