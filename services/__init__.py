"""The three services and the one command over them."""
