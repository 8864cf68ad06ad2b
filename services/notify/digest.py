"""When a digest is due, and what stands in it.

Slots are weekly and in local time; one that falls on a day off is held on the next school day
at the same time. Which slots have passed is told by school time alone, so that a simulated week
needs no waiting, and a digest is named by its recipient and slot: made again, it is the same.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notify.desk import Finding, Item, Recipient, Signal
from shared.calendar import SchoolCalendar
from shared.roster import slot_of


@dataclass(frozen=True, slots=True)
class Due:
    """A digest whose slot has passed."""

    recipient: Recipient
    slot: datetime
    items: tuple[Item, ...]

    @property
    def id(self) -> str:
        return f"{self.recipient} {self.slot.isoformat()}"


def next_slot(slot: str, after: datetime, calendar: SchoolCalendar) -> datetime | None:
    """The first time after `after` at which a weekly slot is held; None: the calendar ends."""
    weekday, clock = slot_of(slot)
    today = after.astimezone(calendar.zone).date()
    # The latest such weekday may have been a day off, and be held only now.
    day = today - timedelta(days=(today.weekday() - weekday) % 7)
    while True:
        position = bisect_left(calendar.school_days, day)
        if position == len(calendar.school_days):
            return None
        held = datetime.combine(calendar.school_days[position], clock, calendar.zone)
        if held > after:
            return held
        day += timedelta(days=7)


def due(
    pending: Iterable[Item],
    findings: Mapping[str, Finding],
    reached: datetime,
    slot_for: Callable[[Recipient], str],
    calendar: SchoolCalendar,
) -> list[Due]:
    """The digests whose slot has passed at `reached`, which every partition has reached.

    What missed several slots comes once, under the latest. What has come after the slot waits
    for the next, and what stands no more is left out.
    """
    waiting: defaultdict[Recipient, list[Item]] = defaultdict(list)
    for item in pending:
        waiting[item.recipient].append(item)
    digests = []
    for recipient, items in waiting.items():
        first = min(item.after for item in items)
        slot = _latest_slot(slot_for(recipient), first, reached, calendar)
        if slot is not None:
            standing = [_as_it_stands(item, findings) for item in items if item.after < slot]
            kept = in_order(item for item in standing if item is not None)
            if kept:
                digests.append(Due(recipient, slot, kept))
    return digests


def in_order(items: Iterable[Item]) -> tuple[Item, ...]:
    """By pupil or unit, the one with the most serious signal first, and so within each.

    Good news comes last, apart from what else there is of the pupil.
    """
    grouped: defaultdict[tuple[bool, str], list[Item]] = defaultdict(list)
    for item in items:
        grouped[item.signal.good_news, item.signal.about].append(item)
    for group in grouped.values():
        group.sort(key=lambda item: _seriousness(item.signal))
    ordered = sorted(grouped.values(), key=lambda group: _seriousness(group[0].signal))
    return tuple(item for group in ordered for item in group)


def _seriousness(signal: Signal) -> tuple[bool, int, str, str, str]:
    since = signal.since.isoformat()
    return signal.good_news, -signal.level, since, signal.about, signal.rule


def _latest_slot(
    slot: str, first: datetime, reached: datetime, calendar: SchoolCalendar
) -> datetime | None:
    latest = None
    following = next_slot(slot, first, calendar)
    while following is not None and following <= reached:
        latest, following = following, next_slot(slot, following, calendar)
    return latest


def _as_it_stands(item: Item, findings: Mapping[str, Finding]) -> Item | None:
    if item.correction:
        return item
    finding = findings.get(item.signal.finding)
    if finding is None or finding.signal.opened != item.signal.opened:
        return None
    return item.model_copy(update={"signal": finding.signal})
