"""The ways a message leaves the house, one folder a channel."""
