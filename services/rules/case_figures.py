"""Figures of a pupil's case: what is open, was cleared, was told and is not answered.

Asked as of a day, with what is known now: a finding that a correction took away never was.
"""

from collections.abc import Collection, Sequence
from datetime import date

from services.rules.case import Ended, ended
from services.rules.pupil import Pupil
from shared.calendar import SchoolCalendar
from shared.indicators import FigureKey

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
    pupil: Pupil, records: Sequence[OnRecord], as_of: date, calendar: SchoolCalendar
) -> int:
    """School days since the oldest telling that nobody has answered, while a finding is open."""
    day = as_of.toordinal()
    if not pupil.told or not oldest_open(records, day):
        return 0
    answered = max((each.on for each in pupil.answers if each.on <= day), default=0)
    waiting = [each.on for each in pupil.told if answered < each.on <= day]
    return calendar.distance(date.fromordinal(min(waiting)), as_of) if waiting else 0


def _window(calendar: SchoolCalendar, as_of: date, days: int) -> tuple[int, int]:
    window = calendar.window(as_of, days)
    last = as_of.toordinal()
    return (window[0].toordinal() if window else last + 1), last
