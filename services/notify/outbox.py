"""The last stage, record: what each outcome of a try changes on the desk."""

from collections import defaultdict
from datetime import date, datetime
from hashlib import sha256
from typing import NamedTuple

from services.notify.desk import Desk
from services.notify.rows import (
    DeadLetter,
    Delivery,
    Finding,
    Happened,
    Item,
    Key,
    Outgoing,
    Page,
    Said,
    Shown,
    Telling,
    rule_of,
)
from services.notify.telling import free_corrections, let_go
from shared.events import CaseTold

INBOX = "inbox"
"""Told in place of a staff id, when it was the inbox of the school's EHT that was told."""


def page_key(token: str) -> str:
    """Under which a message's page is kept; who reads the store can't open the page by it."""
    return sha256(token.encode()).hexdigest()


def school_time(desk: Desk, message: Outgoing) -> datetime:
    """The newest school time, never before the message was made."""
    return max((message.made, *(each.at for each in desk.reached.values())))


class Began(NamedTuple):
    """A try begins: by which channel, at which machine time, and when the next one would."""

    channel: str
    at: float
    due: float


def newest_time(desk: Desk) -> datetime | None:
    """The newest school time that any partition has reached."""
    return max((each.at for each in desk.reached.values()), default=None)


def begin(desk: Desk, message: Outgoing, on: date, began: Began) -> Outgoing:
    """A try begins: from here on the recipient may have been told.

    What a crash leaves behind is therefore a message in doubt, which is sent as it was.
    """
    items = message.items
    if not message.in_doubt:
        items = tuple(item.but(before=_told(desk, message, item)) for item in items)
        for item in items:
            _tell(desk, message, item, on, in_doubt=True)
        if message.kind != "link":
            shown = tuple(map(_shown, items))
            page = Page(message.kind, message.recipient, message.made, shown, message.whose)
            desk.put("messages", page_key(message.token), page)
    tried: Outgoing = message.but(
        items=items,
        attempts=message.attempts + 1,
        tried_by=began.channel,
        tried_at=began.at,
        in_doubt=True,
        due=began.due,
    )
    desk.put("outbox", message.id, tried)
    return tried


def record(desk: Desk, message: Outgoing, channel: str, on: date) -> None:
    """Sent: out of the outbox, into the ledger; findings and rules know who was told of them."""
    desk.drop("outbox", message.id)
    line = Delivery(message.id, message.kind, school_time(desk, message))
    for item in message.items:
        for step in item.steps:
            desk.put("ledger", f"{step} {message.recipient} {channel}", line)
        if item.correction:
            _drop_correction(desk, message, item)
        else:
            finding = _standing(desk, item)
            if finding is not None:
                _settle(desk, item.finding, finding, message, on)
    _say_told(desk, message, on)
    _write_histories(desk, message, channel, on)
    let_go(desk, message)


def not_sent(desk: Desk, message: Outgoing) -> None:
    """It is known that nobody was told by the tries so far: as it was before them."""
    recipient, items = (
        str(message.recipient),
        [each for each in message.items if not each.correction],
    )
    for item in items:
        finding = _standing(desk, item)
        level = finding.level if finding else 0
        if finding is not None:
            _settle(desk, item.finding, finding, message, None)
        key = f"{recipient} {item.opened}"
        if key in desk.corrections and (item.before is None or item.before.level <= level):
            desk.drop("corrections", key)
    free_corrections(desk, message, items)


def withdraw(desk: Desk, message: Outgoing) -> None:
    """Nothing of it is to be told any more."""
    desk.drop("outbox", message.id)
    let_go(desk, message)


def bury(desk: Desk, message: Outgoing) -> None:
    """Given up: out of the outbox, kept as a dead letter with the reason."""
    letter = DeadLetter(message, _why_dead(message), school_time(desk, message))
    desk.drop("outbox", message.id)
    desk.put("dead-letters", message.id, letter)
    free_corrections(desk, message, [item for item in message.items if not item.correction])


def revive(desk: Desk, letter: DeadLetter) -> None:
    """Back in the outbox, as on its first day; what of it still stands is seen before its try."""
    message = letter.outgoing
    desk.drop("dead-letters", message.id)
    desk.put("outbox", message.id, message.but(attempts=0, failed={}, due=0.0))


def lay_aside(desk: Desk, letter: DeadLetter, why: str, on: date) -> None:
    """Not to be sent after all: its recipient counts as told, and the reason is kept.

    Rules hears nothing of it: no deadline runs from what nobody has sent.
    """
    message, recipient = letter.outgoing, str(letter.outgoing.recipient)
    desk.drop("dead-letters", message.id)
    desk.put("dropped", message.id, letter.but(dropped=why))
    for item in message.items:
        finding = _standing(desk, item)
        if item.correction:
            _drop_correction(desk, message, item)
        elif finding is not None and finding.on_way.get(recipient) == message.id:
            _tell(desk, message, item, on, in_doubt=False)
    let_go(desk, message)


def _told(desk: Desk, message: Outgoing, item: Item) -> Telling | None:
    finding = _standing(desk, item)
    return finding.told.get(str(message.recipient)) if finding else None


def _tell(desk: Desk, message: Outgoing, item: Item, on: date, *, in_doubt: bool) -> None:
    finding = _standing(desk, item)
    if finding is None or item.correction:
        return
    recipient = str(message.recipient)
    telling = Telling(
        min(item.level, finding.level),
        on,
        item.audience,
        message.channels,
        message.kind == "immediate",
        message.id if in_doubt else "",
        finding.told.get(recipient) if in_doubt else None,
    )
    told = {**finding.told, recipient: telling}
    on_way = finding.on_way
    if in_doubt:
        on_way = {**on_way, recipient: message.id}
    desk.put("findings", item.finding, finding.but(told=told, on_way=on_way))


def _settle(desk: Desk, key: Key, finding: Finding, message: Outgoing, on: date | None) -> None:
    """A try's outcome is known: told on a day, or not. What was told since stays as it is."""
    recipient = str(message.recipient)
    telling = finding.told.get(recipient)
    known = telling.settled(message.id, on) if telling else None
    if known != telling:
        told = {who: each for who, each in finding.told.items() if who != recipient}
        if known is not None:
            told[recipient] = known
        desk.put("findings", key, finding.but(told=told))


def _say_told(desk: Desk, message: Outgoing, on: date) -> None:
    """Rules counts deadlines from here. Good news waits for no answer, and a unit has no case."""
    told: defaultdict[str, set[str]] = defaultdict(set)
    for item in message.items:
        if not (item.good_news or item.correction or item.about.partition("/")[2].startswith("/")):
            told[item.about].add(rule_of(item.finding))
    for about, rules in told.items():
        school, _, pupil = about.partition("/")
        fact = CaseTold(
            school=school,
            pupil=pupil,
            recipient=message.recipient.staff or INBOX,
            on=on,
            rules=tuple(sorted(rules)),
        ).model_dump_json()
        name = " ".join((str(message.recipient), about, str(on), *sorted(rules)))
        desk.put("said", f"told {name}", Said(school, pupil, fact))


def _write_histories(desk: Desk, message: Outgoing, channel: str, on: date) -> None:
    """Who was told stands in the history of each pupil whom the message is about."""
    happened = Happened(
        "told",
        school_time(desk, message),
        on,
        message.id,
        message.recipient.staff or INBOX,
        channel=channel,
    )
    for about in {item.about for item in message.items}:
        school, _, pupil = about.partition("/")
        if not pupil.startswith("/"):
            desk.happened(school, pupil, happened)


def _drop_correction(desk: Desk, message: Outgoing, item: Item) -> None:
    key = f"{message.recipient} {item.opened}"
    correction = desk.corrections.get(key)
    if correction is not None and correction.step in item.steps:
        desk.drop("corrections", key)


def _standing(desk: Desk, item: Item) -> Finding | None:
    finding = desk.findings.get(item.finding)
    return finding if finding and finding.opened == item.opened else None


def _shown(item: Item) -> Shown:
    return Shown(
        item.shows,
        item.opened,
        item.correction,
        item.again,
        item.handed_over,
        item.beyond_cap,
    )


def _why_dead(message: Outgoing) -> str:
    if message.failed:
        return "; ".join(f"{channel}: {reason}" for channel, reason in message.failed.items())
    school = message.recipient.school
    return (
        f"nobody at {school} can be reached by {' or '.join(message.channels)}; give EHT an "
        f"address in the roster, or name eht_inbox for {school} in routing.yaml, and replay"
    )
