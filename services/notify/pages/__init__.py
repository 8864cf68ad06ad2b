"""Pages: what the links in messages open."""
