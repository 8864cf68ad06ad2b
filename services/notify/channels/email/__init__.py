"""E-mail by SMTP, to the school's own mail server."""
