"""Stage 4, group: what goes into one message, in which order, and when its time has come.

Slots are weekly, or daily where routing says so, and in local time; one that falls on a day off
is held on the next school day at the same time. Which slots have passed is told by school time
alone, so that a simulated week needs no waiting, and a digest is named by its recipient and slot:
made again, it is the same.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from services.notify.rows import Item
from shared.calendar import SchoolCalendar
from shared.roster import slot_of

_NEVER_CAPPED = 3
"""The lowest level that no cap holds back."""


def next_slot(
    slot: str, after: datetime, calendar: SchoolCalendar, *, daily: bool = False
) -> datetime | None:
    """The first time after `after` at which a slot is held; None: the calendar ends."""
    weekday, clock = slot_of(slot)
    step = timedelta(days=1 if daily else 7)
    today = after.astimezone(calendar.zone).date()
    # The latest such weekday may have been a day off, and be held only now.
    day = today if daily else today - timedelta(days=(today.weekday() - weekday) % 7)
    while True:
        position = bisect_left(calendar.school_days, day)
        if position == len(calendar.school_days):
            return None
        held = datetime.combine(calendar.school_days[position], clock, calendar.zone)
        if held > after:
            return held
        day += step


def latest_slot(
    slot: str,
    after: datetime,
    reached: datetime,
    calendar: SchoolCalendar,
    *,
    daily: bool = False,
) -> datetime | None:
    """The newest slot after `after` that has passed at `reached`; what missed several joins it."""
    latest = None
    following = next_slot(slot, after, calendar, daily=daily)
    while following is not None and following <= reached:
        latest, following = following, next_slot(slot, following, calendar, daily=daily)
    return latest


def in_order(items: Iterable[Item]) -> tuple[Item, ...]:
    """By pupil or unit, the one with the most serious finding first, and so within each.

    Good news comes last, apart from what else there is of the pupil.
    """
    grouped: defaultdict[tuple[bool, str], list[Item]] = defaultdict(list)
    for item in items:
        grouped[item.good_news, item.about].append(item)
    for group in grouped.values():
        group.sort(key=_seriousness)
    ordered = sorted(grouped.values(), key=lambda group: _seriousness(group[0]))
    return tuple(item for group in ordered for item in group)


def mail_first(channels: tuple[str, ...]) -> tuple[str, ...]:
    """What can wait for a digest needs no SMS where there is mail."""
    return tuple(sorted(channels, key=lambda channel: channel != "email"))


def capped(items: tuple[Item, ...], most: int) -> tuple[Item, ...]:
    """The items in their order, those of pupils beyond the cap marked.

    Counted are pupils; whoever has a finding of level 3 or more, a correction, or good news
    alone is neither counted nor capped.
    """
    counted: dict[str, None] = {}
    for item in items:
        if item.counts_for_cap:
            counted.setdefault(item.about)
    serious = {item.about for item in items if item.level >= _NEVER_CAPPED and not item.correction}
    beyond = [about for about in counted if about not in serious][most:]
    return tuple(
        item.but(beyond_cap=item.counts_for_cap and item.about in beyond) for item in items
    )


def _seriousness(item: Item) -> tuple[bool, int, str, str, str]:
    return item.good_news, -item.level, item.since.isoformat(), item.about, item.finding
