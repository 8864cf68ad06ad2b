"""SMS by 46elks: one HTTPS call a message."""
