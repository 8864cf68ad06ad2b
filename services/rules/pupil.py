"""One pupil: registrations, roster records, tellings and answers come in.

The one value that is changed in place, and only by the functions here: a fresh copy for each of
a million registrations would cost more than everything else together.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from services.rules.case import Ended, Finding
from services.rules.daybook import Daybook, OldDays
from services.rules.registers import Registers
from services.rules.window import (
    Lessons,
    Outcome,
    Registered,
    Registration,
    instant_of,
    microseconds_of,
    outcome_of,
    registration_of,
)
from shared.calendar import SchoolCalendar
from shared.events import AnswerKind, CaseAnswer, CaseTold, PupilRecord, Status
from shared.rulebook import Handover

CORRECTION_DAYS = 60
"""Registrations for lessons more school days back than this change nothing (DESIGN section 6)."""


class Enrolment(NamedTuple):
    """What of the newest roster record counts here."""

    valid_from: date
    recorded_at: int
    enrolled: date | None
    school_class: str
    bus: str
    need: bool
    last_year_share: str
    """A decimal; empty: unknown."""
    canonical: str
    protected: bool = False
    """Protected identity: their absence and lessons are counted of no unit."""

    @property
    def said(self) -> tuple[object, ...]:
        """What a finding may depend on."""
        return self[2:7]


class Answer(msgspec.Struct, frozen=True, array_like=True, order=True):
    """What staff answered, and when; ordinals."""

    on: int
    answer: AnswerKind
    by: str
    until: int


class Told(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A telling: the ordinal of its date, to whom, and of which rules' findings."""

    on: int
    recipient: str
    rules: tuple[str, ...] = ()
    """Empty: that was not said."""


class Pupil(msgspec.Struct):
    """All that rules holds about one pupil, but for the sums of the days, which the school has."""

    slot: int
    folded: tuple[int, int] = (0, 0)
    """The entry up to which this pupil is folded."""
    lessons: Lessons = {}
    old: OldDays | None = None
    """Days before those of which all lessons are held."""
    enrolment: Enrolment | None = None
    findings: dict[str, Finding] = {}
    ended: list[Ended] = []
    told: list[Told] = []
    answers: list[Answer] = []
    corrected: int | None = None
    """The ordinal of the earliest closed day that something new since the last close concerns."""
    tally: dict[str, dict[str, int]] = {}
    """Outcomes by source since the last checkpoint, so that a replay counts them once."""
    away: Lessons = {}
    """Of the lessons those that evidence may list; not kept, since it is found again."""
    base: dict[tuple[int, int], tuple[int, int]] = {}
    """Absence shares as of days on which findings opened, until something is corrected."""

    @property
    def enrolled(self) -> int:
        """The ordinal of the first day that counts; 0: all do."""
        known = None if self.enrolment is None else self.enrolment.enrolled
        return known.toordinal() if known else 0

    @property
    def bus(self) -> str:
        return "" if self.enrolment is None else self.enrolment.bus

    @property
    def school_class(self) -> str:
        return "" if self.enrolment is None else self.enrolment.school_class

    @property
    def protected(self) -> bool:
        return self.enrolment is not None and self.enrolment.protected

    @property
    def has_case(self) -> bool:
        """Is there anything that figures of the case could be made of?"""
        return bool(self.findings or self.ended)

    def correct(self, day: int) -> None:
        """Something that concerns a closed day has changed."""
        self.corrected = day if self.corrected is None else min(self.corrected, day)
        self.base.clear()


class SchoolDays(NamedTuple):
    """How far a school's time has come, as far as a registration is concerned. Ordinals."""

    calendar: SchoolCalendar
    first: int
    last: int
    """The calendar's span: lessons outside it lie in no window."""
    closed: int
    """The newest closed day; 0: none."""
    horizon: int
    """The oldest day that a registration can still change; 0: any."""
    delays: frozenset[int]
    """Days on which buses were late."""
    school_days: frozenset[int]

    def is_closed(self, day: int) -> bool:
        return day <= self.closed and day in self.school_days

    def covers(self, day: int) -> bool:
        return self.first <= day <= self.last


def school_days(calendar: SchoolCalendar, closed: date | None) -> SchoolDays:
    """The days of a school by its calendar, up to its newest closed day."""
    horizon = calendar.horizon(closed, CORRECTION_DAYS) if closed else None
    return SchoolDays(
        calendar,
        calendar.school_days[0].toordinal(),
        calendar.school_days[-1].toordinal(),
        closed.toordinal() if closed else 0,
        horizon.toordinal() if horizon else 0,
        calendar.delay_ordinals,
        calendar.ordinals,
    )


def register(
    pupil: Pupil,
    event: Registered,
    school: SchoolDays,
    book: Daybook,
    registers: Registers,
) -> Outcome:
    """Take in a registration, and let daybook and registers know; say what became of it."""
    start = school.calendar.moment(event.starts_at)
    day = start.ordinal
    held = pupil.lessons.get(event.lesson)
    if day < school.horizon or (held is not None and held.day < school.horizon):
        return "expired"
    known = registration_of(event, start)
    outcome = outcome_of(event, known, held)
    if outcome != "accepted":
        return outcome
    pupil.lessons[event.lesson] = known
    if not known.plain:
        pupil.away[event.lesson] = known
    elif held is not None:
        pupil.away.pop(event.lesson, None)
    if held is not None:
        _count(pupil, held, -1, school, book)
    _count(pupil, known, 1, school, book)
    if not pupil.protected:
        if held is not None:
            registers.note(held, -1)
        registers.note(known, 1)
    return outcome


def _count(pupil: Pupil, known: Registration, sign: int, school: SchoolDays, book: Daybook) -> None:
    day = known.day
    if day <= school.closed and day in school.school_days:
        pupil.correct(day)
    if school.first <= day <= school.last:
        book.note(pupil.slot, measured(known, pupil.bus, school), sign)


def measured(known: Registration, bus: str, school: SchoolDays) -> Registration:
    """A registration as it is measured: with a late bus nobody was late."""
    if (
        known.day in school.delays
        and known.status is Status.LATE
        and school.calendar.bus_delayed(bus, instant_of(known.starts_at))
    ):
        return msgspec.structs.replace(known, status=Status.OTHER, absent=0)
    return known


def measured_lessons(pupil: Pupil, school: SchoolDays, *, all_of_them: bool) -> Lessons:
    """A pupil's lessons as they are measured, all or those that evidence may list."""
    lessons = pupil.lessons if all_of_them else pupil.away
    if not school.delays:
        return lessons
    return {name: measured(known, pupil.bus, school) for name, known in lessons.items()}


def enrol(pupil: Pupil, record: PupilRecord, school: SchoolDays) -> None:
    """Take in a roster record; the newest by `valid_from`, then by when it was read, counts."""
    share = record.last_year_share
    known = Enrolment(
        record.valid_from,
        microseconds_of(record.recorded_at),
        record.enrolled,
        record.school_class,
        record.bus,
        record.need,
        "" if share is None else str(share),
        record.model_dump_json(by_alias=True),
        record.protected,
    )
    before = pupil.enrolment
    if before is not None and _order(known) <= _order(before):
        return
    pupil.enrolment = known
    if school.closed and known.said != (_NOTHING_SAID if before is None else before.said):
        pupil.correct(1)


_NOTHING_SAID = (None, "", "", False, "")


def _order(known: Enrolment) -> tuple[date, int, str]:
    return known.valid_from, known.recorded_at, known.canonical


def tell(pupil: Pupil, message: CaseTold, school: SchoolDays) -> None:
    """Somebody was told; deadlines count from here."""
    rules = tuple(sorted(set(message.rules)))
    known = Told(message.on.toordinal(), message.recipient, rules)
    if known not in pupil.told:
        pupil.told = sorted([*pupil.told, known])
        _correct_from(pupil, known.on, school)


def answer(pupil: Pupil, message: CaseAnswer, school: SchoolDays) -> None:
    """Somebody answered."""
    until = message.until.toordinal() if message.until else 0
    known = Answer(message.on.toordinal(), message.answer, message.by, until)
    if known not in pupil.answers:
        pupil.answers = sorted([*pupil.answers, known])
        _correct_from(pupil, known.on, school)


def _correct_from(pupil: Pupil, day: int, school: SchoolDays) -> None:
    if day <= school.closed:
        pupil.correct(day)


def is_sensitive(
    pupil: Pupil, on: date, handover: Handover | None, calendar: SchoolCalendar
) -> bool:
    """Does the handover call for lower thresholds for this pupil on a day?"""
    known = pupil.enrolment
    if handover is None or known is None or known.enrolled is None or on < known.enrolled:
        return False
    share = Decimal(known.last_year_share or 0)
    if not (known.need or share >= handover.share):
        return False
    return calendar.distance(known.enrolled - timedelta(days=1), on) <= handover.days


def forget(pupil: Pupil, kept_whole: int, kept: int) -> None:
    """Drop lessons that nothing can change any more and nothing would list; ordinals.

    Before `kept_whole` only lessons that evidence may list stay, without what only a correction
    would ask for; before `kept` none.
    """
    lessons, away = pupil.lessons, pupil.away
    for name in [name for name, known in lessons.items() if known.day < kept_whole]:
        known = lessons[name]
        if known.day < kept or known.plain:
            del lessons[name]
            away.pop(name, None)
        elif known.revision:
            lessons[name] = away[name] = msgspec.structs.replace(known, revision=0, group="")
    pupil.ended = [each for each in pupil.ended if each.on >= kept]
    pupil.told = [each for each in pupil.told if each.on >= kept]
    pupil.answers = [each for each in pupil.answers if max(each.on, each.until) >= kept]
