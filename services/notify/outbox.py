"""What entering the outbox, and each outcome of a try, changes on the desk."""

from datetime import datetime
from hashlib import sha256

from services.notify.desk import (
    DeadLetter,
    Delivery,
    Desk,
    Finding,
    Item,
    Outgoing,
    Page,
    Send,
    Telling,
)


def page_key(token: str) -> str:
    """Under which a message's page is kept; who reads the store can't open the page by it."""
    return sha256(token.encode()).hexdigest()


def post(desk: Desk, message: Outgoing) -> None:
    """Put a message in the outbox, with the page that its link opens."""
    desk.put("outbox", message.id, message)
    page = Page(kind=message.kind, made=message.made, items=message.items)
    desk.put("messages", page_key(message.token), page)


def gathered(desk: Desk, message: Outgoing, partitions: int) -> bool:
    """May it go? What is told at once waits until every partition is past its time.

    A close reaches the partitions one after the other; sent at the first, a recipient would get
    a message for each of them instead of one.
    """
    reached = desk.reached_by_all(partitions)
    return message.at_slot or (reached is not None and reached > message.made)


def told_by(message: Outgoing, item: Item) -> Telling:
    """What the recipient of `message` has been told by one of its items, and how."""
    send: Send = "immediate" if message.kind == "immediate" else "digest"
    return Telling(send=send, channels=message.channels, level=item.signal.level)


def school_time(desk: Desk, message: Outgoing) -> datetime:
    """The newest school time, never before the message was made."""
    return max((message.made, *(each.at for each in desk.reached.values())))


def record(desk: Desk, message: Outgoing, channel: str) -> None:
    """Sent: out of the outbox, into the ledger; each finding knows who was told of it."""
    desk.drop("outbox", message.id)
    line = Delivery(message=message.id, kind=message.kind, at=school_time(desk, message))
    for item in message.items:
        for step in item.steps:
            desk.put("ledger", f"{step} {message.recipient} {channel}", line)
        finding = _standing(desk, item)
        if finding and not item.correction:
            told = {**finding.told, str(message.recipient): told_by(message, item)}
            desk.put("findings", item.signal.finding, finding.model_copy(update={"told": told}))


def bury(desk: Desk, message: Outgoing) -> None:
    """Given up: out of the outbox, kept as a dead letter with the reason."""
    letter = DeadLetter(outgoing=message, reason=_why_dead(message), at=school_time(desk, message))
    desk.drop("outbox", message.id)
    desk.put("dead-letters", message.id, letter)


def revive(desk: Desk, letter: DeadLetter) -> None:
    """Back in the outbox, as on its first day, with those of its signals that still stand."""
    message = letter.outgoing
    desk.drop("dead-letters", message.id)
    items = tuple(item for item in message.items if item.correction or _standing(desk, item))
    if items:
        fresh = {"items": items, "attempts": 0, "failed": {}, "due": 0.0}
        post(desk, message.model_copy(update=fresh))


def _standing(desk: Desk, item: Item) -> Finding | None:
    finding = desk.findings.get(item.signal.finding)
    return finding if finding and finding.signal.opened == item.signal.opened else None


def _why_dead(message: Outgoing) -> str:
    if message.failed:
        return "; ".join(f"{channel}: {reason}" for channel, reason in message.failed.items())
    school = message.recipient.school
    return (
        f"nobody at {school} can be reached by {' or '.join(message.channels)}; give EHT an "
        f"address in the roster, or name eht_inbox for {school} in routing.yaml, and replay"
    )
