"""What the services agree on: contracts first, plumbing above them."""
