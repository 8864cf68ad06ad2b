"""Messages as files in a folder: what an installation without gateways does, losing nothing."""
