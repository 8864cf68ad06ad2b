"""A rule's examples: strips of school days as facts, folded as live facts are.

An example is a promise of the rulebook's author. It is kept or broken by the fold itself, so
that what `narvara check` says of a rule is what the rule will do.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from services.rules.backtest import backtest
from shared.calendar import SchoolCalendar, SchoolYear, Span
from shared.events import (
    AttendanceBatch,
    AttendanceEvent,
    CaseAnswer,
    CaseTold,
    DayClosed,
    Fact,
    PupilRecord,
    Status,
    StepKind,
)
from shared.rulebook import Example, Rulebook

EXAMPLE_CALENDAR = SchoolCalendar(
    school_years=(SchoolYear(terms=(Span(first=date(2025, 8, 18), last=date(2026, 6, 12)),)),)
)
"""A plain school year of one term: each Monday to Friday is a school day."""

MOST_DAYS = 170
"""A strip ends well before the school year, whose end would clear every finding."""

MOST_LESSONS = 8
"""Lessons of a day: more would begin after the day has closed."""

MOST_PUPILS = 100

_EXAMPLE = "example"
_GROUP = "group-1"
_STAFF = "staff-1"
_FIRST_LESSON = time(8)
_MINUTES = 60
_FROM_START_TO_START = timedelta(minutes=70)
_MINUTES_LATE = 10

_LETTERS = {
    "p": (Status.PRESENT, 0),
    "l": (Status.LATE, _MINUTES_LATE),
    "e": (Status.EXCUSED, _MINUTES),
    "v": (Status.LEAVE, _MINUTES),
    "u": (Status.UNEXCUSED, _MINUTES),
    "o": (Status.OTHER, 0),
    "-": (Status.UNREPORTED, 0),
}
"""What a letter registers: a status, and minutes missed."""

_WANTED = (
    f"wanted a day of one to {MOST_LESSONS} lessons such as ppuel (letters: {''.join(_LETTERS)}), "
    "a day without lessons (.), either with a number of times (*5), days in parentheses, "
    "or told or answered after a day"
)
_TOKEN = re.compile(r"\(|\)(?:\*\d+)?|[^\s()]+")
_DAYS = re.compile(
    rf"(?P<lessons>[{''.join(_LETTERS)}]{{1,{MOST_LESSONS}}}|\.)(?:\*(?P<times>\d+))?"
)
_CLASS = re.compile(r"\s*(?P<pupils>\d+)\s*:(?P<strip>.*)", re.DOTALL)


class _Day(NamedTuple):
    """A word of a strip: a letter for each lesson, and what happened after them."""

    lessons: str
    happened: tuple[str, ...] = ()


def facts(example: Example) -> list[Fact]:
    """The example as facts in stream order: who goes to school, then each day and its close.

    Raises `ValueError` that names the word met and what is wanted.
    """
    days_of = _pupils(example)
    dates = EXAMPLE_CALENDAR.school_days[: len(next(iter(days_of.values())))]
    found: list[Fact] = [_record(pupil, dates[0], need=example.need) for pupil in days_of]
    for number, day in enumerate(dates):
        of_day = {pupil: days[number] for pupil, days in days_of.items()}
        lessons = [each for pupil, known in of_day.items() for each in _lessons(pupil, day, known)]
        if lessons:
            found.append(AttendanceBatch(source=_EXAMPLE, history=True, events=lessons))
        for pupil, known in of_day.items():
            found += [_happened(what, pupil, day) for what in known.happened]
        found.append(DayClosed(school=_EXAMPLE, date=day))
    return found


def outcome(rulebook: Rulebook, rule_id: str | None, example: Example) -> int:
    """The level of the rule's finding that is open after the example's last close; 0: none.

    Of several pupils or units the highest. A disabled rule is tried as if it were enabled.
    `rule_id=None`: the highest of all ordinary rules, which is what a handover changes.
    Raises `ValueError` as `facts` does, and `KeyError` for a rule that the rulebook has not.
    """
    asked = _asked(rulebook, rule_id)
    told_of = {rule.id for rule in asked.active} if rule_id is None else {rule_id}
    standing: dict[tuple[str, str, str], int] = {}
    for step in backtest(facts(example), asked, EXAMPLE_CALENDAR):
        if step.rule in told_of:
            stands = step.level if step.kind in {StepKind.OPENED, StepKind.RAISED} else 0
            standing[step.rule, step.pupil, step.unit] = step.remaining or stands
    return max(standing.values(), default=0)


def _asked(rulebook: Rulebook, rule_id: str | None) -> Rulebook:
    """The rulebook with those rules enabled on which the outcome depends: quicker to fold."""
    rules = {rule.id: rule for rule in rulebook.rules}
    with_ordinary = rule_id is None or rules[rule_id].on_case
    return rulebook.model_copy(
        update={
            "rules": tuple(
                rule.model_copy(
                    update={
                        "enabled": rule.id == rule_id
                        or (with_ordinary and rule.enabled and rule.ordinary)
                    }
                )
                for rule in rulebook.rules
            ),
            "schools": {},
        }
    )


def _pupils(example: Example) -> dict[str, list[_Day]]:
    """The days of each pupil: one, or a class of which each line is some pupils."""
    if example.strip is not None:
        return {_EXAMPLE: _days(example.strip)}
    strips: list[list[_Day]] = []
    for line in example.pupils or ():
        match = _CLASS.fullmatch(line)
        if match is None:
            raise ValueError(f"met {line!r}; wanted a number of pupils and their strip: 20: pp*30")
        pupils = int(match["pupils"])
        if not pupils or len(strips) + pupils > MOST_PUPILS:
            raise ValueError(f"met {match['pupils']!r}; wanted 1 to {MOST_PUPILS} pupils in all")
        days = _days(match["strip"])
        if strips and len(days) != len(strips[0]):
            raise ValueError(
                f"met a strip of {len(days)} days beside one of {len(strips[0])}; "
                "wanted as many days for each pupil"
            )
        strips += [days] * pupils
    return {f"{_EXAMPLE}-{number}": days for number, days in enumerate(strips, 1)}


def _days(strip: str) -> list[_Day]:
    """The days of a strip, with every repetition written out."""
    open_groups: list[list[_Day]] = [[]]
    for word in _TOKEN.findall(strip):
        days = open_groups[-1]
        if word == "(":
            open_groups.append([])
        elif word.startswith(")"):
            if len(open_groups) == 1 or not days:
                raise ValueError(f"met {word!r}; wanted days in parentheses before it")
            open_groups.pop()
            open_groups[-1] += _times(days, word.partition("*")[2])
        elif word in ("told", "answered"):
            if not days:
                raise ValueError(f"met {word!r}; wanted it after the day on which it happens")
            days[-1] = days[-1]._replace(happened=(*days[-1].happened, word))
        elif match := _DAYS.fullmatch(word):
            days += _times([_Day(match["lessons"].strip("."))], match["times"])
        else:
            raise ValueError(f"met {word!r}; {_WANTED}")
    if len(open_groups) > 1:
        raise ValueError("met the end of the strip; wanted a closing parenthesis before it")
    (days,) = open_groups
    if not 1 <= len(days) <= MOST_DAYS:
        raise ValueError(f"met a strip of {len(days)} days; wanted 1 to {MOST_DAYS}")
    return days


def _times(days: list[_Day], times: str | None) -> list[_Day]:
    # Judged by length before the number is read, and the days before they are written out:
    # a slip of the finger must not fill the memory.
    number = int(times or 1) if len(times or "") < 4 else MOST_DAYS + 1
    if not 1 <= number * len(days) <= MOST_DAYS:
        raise ValueError(
            f"met '*{times}'; wanted a number of times that gives 1 to {MOST_DAYS} days"
        )
    return days * number


def _record(pupil: str, first: date, *, need: bool) -> PupilRecord:
    return PupilRecord(
        school=_EXAMPLE,
        pupil=pupil,
        school_class=_EXAMPLE,
        enrolled=first if need else None,
        need=need,
        valid_from=first,
        recorded_at=datetime.combine(first, time(), EXAMPLE_CALENDAR.zone),
    )


def _lessons(pupil: str, date: date, day: _Day) -> Iterator[AttendanceEvent]:
    """A day's registrations, each made a minute after its lesson's start."""
    start = datetime.combine(date, _FIRST_LESSON, EXAMPLE_CALENDAR.zone)
    for number, letter in enumerate(day.lessons, 1):
        status, missed = _LETTERS[letter]
        yield AttendanceEvent(
            school=_EXAMPLE,
            pupil=pupil,
            lesson=f"{date}-{number}",
            starts_at=start,
            minutes=_MINUTES,
            subject=f"subject-{number}",
            status=status,
            absent_minutes=missed,
            recorded_at=start + timedelta(minutes=1),
            group=_GROUP,
        )
        start += _FROM_START_TO_START


def _happened(what: str, pupil: str, on: date) -> CaseTold | CaseAnswer:
    if what == "told":
        return CaseTold(school=_EXAMPLE, pupil=pupil, recipient=_STAFF, on=on)
    return CaseAnswer(school=_EXAMPLE, pupil=pupil, answer="talked", by=_STAFF, on=on)
