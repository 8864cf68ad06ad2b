"""Answers: what staff did about a pupil, and what follows of it for telling.

An answer stops the case's clock, which rules keeps (`CaseAnswer`), and everybody's unsent words.
What still stands on the day of the follow-up comes back.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, get_args

from services.notify.desk import Desk
from services.notify.routing import Routing
from services.notify.rows import Answer, Case, Happened, Said, about
from shared.calendar import SchoolCalendar
from shared.events import AnswerKind, CaseAnswer

KINDS: tuple[AnswerKind, ...] = get_args(AnswerKind)

WRONG_DAYS = 5
"""School days in which a wrong registration is to be corrected."""

LINK_DAYS = 20
"""School days in which a link opens its page."""

_DATED: frozenset[AnswerKind] = frozenset({"known_cause", "booked"})


Why = Literal["date", "over", "place", "role", "long"]
"""A date is missing or past; nothing stands any more; no such place; not theirs to answer; long."""


class AnswerRefusedError(ValueError):
    """What was answered can't be taken; says what was met and what is wanted."""

    def __init__(self, words: str, why: Why) -> None:
        super().__init__(words)
        self.why = why


class UnknownLinkError(LookupError):
    """No such link, or it is not this person's any more. Both look alike to who asks."""


class NotNowError(RuntimeError):
    """This process does not hold the memory, or no school time has come yet: ask again."""


@dataclass(frozen=True)
class Form:
    """What was filled in."""

    pupil: int
    """The pupil's place on the page, from 1."""
    answer: AnswerKind
    until: date | None = None
    note: str = ""
    for_eht: bool = False


@dataclass(frozen=True)
class Taken:
    """What happens next."""

    again_on: date | None
    """What still stands then comes back; None: past the calendar's end."""


@dataclass(frozen=True)
class Given:
    """An answer as it was given."""

    school: str
    pupil: str
    answer: AnswerKind
    by: str
    """Staff id."""
    at: datetime
    """School time."""
    until: date | None = None
    note: str = ""
    """The id of a note."""


def answer(desk: Desk, given: Given, routing: Routing, calendar: SchoolCalendar) -> bool:
    """Take an answer in; returns False when the same was given already. One answers the case.

    Raises `AnswerRefusedError`.
    """
    on = calendar.local_date(given.at)
    _check(desk, given, on)
    key = about(given.school, given.pupil, "")
    case = desk.cases.get(key) or Case(given.school, given.pupil)
    if _given_already(case, given, on, calendar):
        return False
    known = Answer(given.answer, given.by, given.at, given.until, given.note)
    updated = case.but(
        answers=(*case.answers, known),
        again_on=_again_on(given, on, routing, calendar),
        known_until=given.until if given.answer == "known_cause" else case.known_until,
        lifted=case.lifted or given.answer == "lift",
        taken=case.taken or given.answer == "takes_over",
        wrong=on if given.answer == "wrongly_registered" else case.wrong,
    )
    desk.put("cases", key, updated)
    desk.look_at_again(key)
    fact = CaseAnswer(
        school=given.school,
        pupil=given.pupil,
        answer=given.answer,
        by=given.by,
        on=on,
        until=given.until if given.answer in _DATED else None,
    )
    name = f"answer {key} {len(updated.answers)} {given.at.isoformat()}"
    desk.put("said", name, Said(given.school, given.pupil, fact.model_dump_json()))
    happened = Happened(
        "answer", given.at, on, given.answer, given.by, until=given.until, note=given.note
    )
    desk.happened(given.school, given.pupil, happened)
    return True


def is_expired(made: datetime, on: date, calendar: SchoolCalendar) -> bool:
    """Are the school days of a link over that was made at a school time?"""
    return calendar.distance(calendar.local_date(made), on) > LINK_DAYS


def _check(desk: Desk, given: Given, on: date) -> None:
    if given.answer in _DATED and (given.until is None or given.until < on):
        raise AnswerRefusedError(
            f"met {'no date' if given.until is None else given.until} with {given.answer}; "
            f"wanted a date from {on} on",
            "date",
        )
    key = about(given.school, given.pupil, "")
    if not desk.of(key):
        raise AnswerRefusedError(
            "nothing stands of this pupil any more; there is nothing to answer", "over"
        )


def _given_already(case: Case, given: Given, on: date, calendar: SchoolCalendar) -> bool:
    """A form that was sent twice is one answer."""
    last = case.answers[-1] if case.answers else None
    return last is not None and (
        (last.answer, last.by, last.until, calendar.local_date(last.at))
        == (given.answer, given.by, given.until, on)
    )


def _again_on(given: Given, on: date, routing: Routing, calendar: SchoolCalendar) -> date | None:
    """The school day on which what still stands comes back; None: past the calendar's end."""
    if given.answer == "known_cause" and given.until is not None:
        return calendar.after(given.until, 1)
    if given.answer == "wrongly_registered":
        return calendar.after(on, WRONG_DAYS)
    since = max(on, given.until) if given.answer == "booked" and given.until else on
    return calendar.after(since, routing.follow_up_days)
