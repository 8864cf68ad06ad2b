"""The demo: a simulated school on the real services, with an inbox to look into."""
