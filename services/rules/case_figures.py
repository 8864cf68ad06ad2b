"""Figures of a pupil's case: what is open, was cleared, was told and is not answered.

Asked as of a day, with what is known now: a finding that a correction took away never was.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Protocol

from services.rules.case import Ended, ended
from services.rules.pupil import Pupil, Told
from shared.calendar import SchoolCalendar
from shared.indicators import FigureKey


class Kinds(Protocol):
    """Which rules of a rulebook are of which kind."""

    @property
    def ordinary(self) -> Collection[str]:
        """Those on registrations whose finding is a concern."""
        ...

    @property
    def reminders(self) -> Collection[str]:
        """Those that tell that nobody has answered."""
        ...


OnRecord = Ended
"""A finding that was cleared; one that stands is as one to be cleared on the last day there is."""


def on_record(pupil: Pupil, ordinary: Collection[str], since: int) -> list[OnRecord]:
    """The pupil's findings of ordinary rules: those that stand or were cleared from a day on."""
    standing = [
        ended(rule, each, date.max, cleared=True)
        for rule, each in pupil.findings.items()
        if rule in ordinary
    ]
    # By their dates first: most of a school year's lie before the window.
    return standing + [
        each for each in pupil.ended if each.on >= since and each.cleared and each.rule in ordinary
    ]


def oldest_open(records: Sequence[OnRecord], day: int) -> int:
    """The first day of the oldest finding that was open as of a day; 0: none was."""
    return min([each.since for each in records if each.since <= day < each.on], default=0)


def findings(
    records: Sequence[OnRecord], key: FigureKey, as_of: date, calendar: SchoolCalendar
) -> int:
    """How many rules have a finding that first reached the level within the window."""
    first, last = _window(calendar, as_of, int(key.days))
    return len(
        {
            each.rule
            for each in records
            if (not key.rules or each.rule in key.rules)
            and first <= each.reached[key.level - 1] <= last
        }
    )


def relapses(records: Sequence[OnRecord], days: int, as_of: date, calendar: SchoolCalendar) -> bool:
    """Is no finding open, and one was cleared within the window?"""
    first, last = _window(calendar, as_of, days)
    return not oldest_open(records, as_of.toordinal()) and any(
        first <= each.on <= last for each in records
    )


def unanswered(
    pupil: Pupil,
    records: Sequence[OnRecord],
    kinds: Kinds,
    as_of: date,
    calendar: SchoolCalendar,
) -> int:
    """School days since the oldest telling that waits for an answer; 0: none does."""
    since = waiting_since(pupil, records, kinds, as_of, calendar)
    return calendar.distance(date.fromordinal(since), as_of) if since else 0


def waiting_since(
    pupil: Pupil, records: Sequence[OnRecord], kinds: Kinds, as_of: date, calendar: SchoolCalendar
) -> int:
    """The day of the oldest telling that waits for an answer as of a day; 0: none does.

    Any answer answers every telling up to its day. A telling waits as long as a finding stands of
    which it told: what is over, or was taken back by a correction, needs no answer. One that does
    not say of what, or tells of what other rules make of several findings, waits as long as
    anything is open; a reminder calls for nothing that is not called for without it. Nothing of
    an earlier school year waits: all that it told of has ended with that year.
    """
    day, begun = as_of.toordinal(), calendar.year_start(as_of)
    if not pupil.told or not oldest_open(records, day):
        return 0
    first = begun.toordinal() if begun else 0
    answered = max((each.on for each in pupil.answers if each.on <= day), default=0)
    waiting = [
        each.on
        for each in pupil.told
        if max(first, answered + 1) <= each.on <= day and _stands(each, pupil, records, kinds, day)
    ]
    return min(waiting, default=0)


def _stands(told: Told, pupil: Pupil, records: Sequence[OnRecord], kinds: Kinds, day: int) -> bool:
    """Is anything of what was told still open, of which something is?

    A rule's finding that opened after the one that was told of had ended is another.
    """
    if not told.rules:
        return True
    named = {rule for rule in told.rules if rule not in kinds.reminders}
    if any(rule not in kinds.ordinary for rule in named):
        return True
    named -= {each.rule for each in pupil.ended if told.on <= each.on <= day}
    return any(each.rule in named and each.since <= day < each.on for each in records)


def _window(calendar: SchoolCalendar, as_of: date, days: int) -> tuple[int, int]:
    window = calendar.window(as_of, days)
    last = as_of.toordinal()
    return (window[0].toordinal() if window else last + 1), last
