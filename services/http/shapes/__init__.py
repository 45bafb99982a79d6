"""What clients send and what they are answered, by noun: the shapes the API's document shows."""
