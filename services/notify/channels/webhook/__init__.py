"""A signed call to a gateway of your own choice."""
