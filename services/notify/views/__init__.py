"""What pages list: derived from what stands, the roster and the calendar. Pure."""
