"""The stages between what stands and what is sent, one a file; each decision tells its reason.

route: who, how and why · dedup: is it owed at all · mute: why it waits · group: what goes into
one message. What follows is in `outbox.py` (record) and `delivery.py` (retry).
"""
