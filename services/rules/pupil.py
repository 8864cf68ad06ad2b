"""One pupil: registrations and roster records come in, and each day close may bring steps.

The one value that is changed in place, and only by the functions here: a fresh copy for each of
a million registrations would cost more than everything else together.
"""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import msgspec

from services.rules.case import Change, Finding, Today, close, end
from services.rules.engine import Engine, Judgement
from services.rules.evidence import Cause, step_of
from services.rules.indicators import View, measure
from services.rules.window import Outcome, Window, microseconds_of, registration_of
from shared.calendar import SchoolCalendar
from shared.events import AttendanceEvent, CaseStep, PupilRecord
from shared.rulebook import Rule

CORRECTION_DAYS = 60
"""Registrations for lessons more school days back than this change nothing (DESIGN section 6)."""


class Enrolment(NamedTuple):
    """What of the newest roster record counts here."""

    valid_from: date
    recorded_at: int
    enrolled: date | None
    canonical: str


class Pupil(msgspec.Struct):
    """All that rules holds about one pupil; also the record that is written at a checkpoint."""

    folded: tuple[int, int] = (0, 0)
    """The entry up to which this pupil is folded."""
    window: Window = msgspec.field(default_factory=Window)
    enrolment: Enrolment | None = None
    findings: dict[str, Finding] = {}
    corrected: date | None = None
    """The earliest closed day that something which took effect since the last close concerns."""
    tally: dict[str, dict[str, int]] = {}
    """Outcomes by source since the last checkpoint, so that a replay counts them once."""

    @property
    def enrolled(self) -> date | None:
        return None if self.enrolment is None else self.enrolment.enrolled


class SchoolDays(NamedTuple):
    """How far a school's time has come, as far as a registration is concerned."""

    calendar: SchoolCalendar
    closed: date | None
    """The newest closed day."""

    @property
    def horizon(self) -> date | None:
        """The oldest date that a registration can still change; None: any."""
        if self.closed is None:
            return None
        return self.calendar.horizon(self.closed, CORRECTION_DAYS)

    def is_closed(self, day: date) -> bool:
        return self.closed is not None and day <= self.closed and self.calendar.is_school_day(day)


class DayClose(NamedTuple):
    """One school's day that closes, and the rulebooks to judge it and earlier days by."""

    cause: Callable[[str], Cause]
    calendar: SchoolCalendar
    calendar_since: date
    """The first day that was closed by this calendar."""
    day: date
    engine: Engine
    engine_on: Callable[[date], Engine]
    """The rulebook that was in force on a day."""
    engine_before: Callable[[str], Engine | None]
    """The last rulebook in force that had a rule which is gone or disabled now."""


def register(
    pupil: Pupil, event: AttendanceEvent, school: SchoolDays, horizon: date | None
) -> Outcome:
    """Take in a registration; say what became of it."""
    start = school.calendar.moment(event.starts_at)
    day = start.date
    held = pupil.window.lessons.get(event.lesson)
    if horizon is not None and (day < horizon or (held is not None and held.day < horizon)):
        return "expired"
    outcome = pupil.window.register(event.lesson, registration_of(event, start), event)
    if outcome == "accepted" and school.closed is not None:
        for concerned in (day,) if held is None else (day, held.day):
            if school.is_closed(concerned):
                _correct(pupil, concerned)
    return outcome


def _correct(pupil: Pupil, day: date) -> None:
    pupil.corrected = day if pupil.corrected is None else min(pupil.corrected, day)


def enrol(pupil: Pupil, record: PupilRecord, closed: date | None) -> None:
    """Take in a roster record; the newest by `valid_from`, then by when it was read, counts."""
    known = Enrolment(
        record.valid_from,
        microseconds_of(record.recorded_at),
        record.enrolled,
        record.model_dump_json(by_alias=True),
    )
    before = pupil.enrolled
    if pupil.enrolment is None or _order(known) > _order(pupil.enrolment):
        pupil.enrolment = known
    if pupil.enrolled != before and closed is not None:
        _correct(pupil, date.min)


def _order(known: Enrolment) -> tuple[date, int, str]:
    return known.valid_from, known.recorded_at, known.canonical


def close_day(pupil: Pupil, name: str, closing: DayClose) -> tuple[list[CaseStep], Judgement]:
    """Judge every rule for one pupil at a day close, whether or not there were lessons."""
    judgement = _judge(pupil, closing, closing.day, closing.engine)
    corrected, pupil.corrected = pupil.corrected, None
    if not pupil.findings and not judgement.levels:
        return [], judgement
    judged = {closing.day: judgement}
    steps: list[CaseStep] = []
    gone = [rule for rule in pupil.findings if rule not in closing.engine.rules]
    for rule_id in gone:
        changes = end(pupil.findings.pop(rule_id), closing.day)
        if before := closing.engine_before(rule_id):
            view = _view(pupil, closing, closing.day)
            rule = before.rules[rule_id]
            steps += [step_of(closing.cause(name), each, rule, before, view) for each in changes]
    for rule in closing.engine.rules.values():
        finding = pupil.findings.get(rule.id)
        if finding is None and rule.id not in judgement.levels:
            continue
        today = Today(
            closing.day,
            judgement.level(rule.id),
            judgement.quiet(rule.id),
            closing.engine.rulebook.clear_after,
            closing.calendar.ends_school_year(closing.day),
        )
        anew = None
        if finding is not None and corrected is not None:
            known = closing.calendar_since <= finding.since
            first = corrected if known else finding.since
            anew = _anew(pupil, rule.id, finding, closing, first=first, judged=judged)
        finding, changes = close(finding, today, anew)
        if finding is None:
            pupil.findings.pop(rule.id, None)
        else:
            pupil.findings[rule.id] = finding
        if changes:
            steps += _steps(pupil, name, rule, changes, closing)
    return steps, judgement


def forget(pupil: Pupil, calendar: SchoolCalendar, closed: date, longest: int) -> None:
    """Drop what neither the longest window nor a correction can reach any more.

    Days, which are small, stay from the start of the school year in which a correction can still
    fall: a finding of last year may stand when a changed calendar took its last school day away.
    """
    lessons_before = calendar.horizon(closed, CORRECTION_DAYS + longest)
    correctable = calendar.horizon(closed, CORRECTION_DAYS)
    if lessons_before is not None and correctable is not None:
        pupil.window.forget(lessons_before, calendar.year_start(correctable) or correctable)


def _view(pupil: Pupil, closing: DayClose, as_of: date) -> View:
    return View(pupil.window, closing.calendar, as_of, pupil.enrolled)


def _judge(pupil: Pupil, closing: DayClose, as_of: date, engine: Engine) -> Judgement:
    return engine.judge(measure(_view(pupil, closing, as_of), engine.figures))


def _anew(
    pupil: Pupil,
    rule: str,
    finding: Finding,
    closing: DayClose,
    *,
    first: date,
    judged: dict[date, Judgement],
) -> dict[date, int]:
    """The level of each school day from `since` to today, as it is known now.

    A day without enough data, or beyond the correction horizon, keeps the level it had; so does
    one before `first`, since nothing that it is judged by has changed. `judged` holds what one
    rule has had judged for the next.
    """
    horizon = closing.calendar.horizon(closing.day, CORRECTION_DAYS)
    levels: dict[date, int] = {}
    for each in closing.calendar.between(finding.since, closing.day):
        level: int | None = None
        if each >= first and (horizon is None or each >= horizon):
            if each not in judged:
                judged[each] = _judge(pupil, closing, each, closing.engine_on(each))
            level = judged[each].level(rule)
        levels[each] = finding.levels.get(each, 0) if level is None else level
    return levels


def _steps(
    pupil: Pupil, name: str, rule: Rule, changes: list[Change], closing: DayClose
) -> list[CaseStep]:
    cause = closing.cause(name)
    steps: list[CaseStep] = []
    for change in changes:
        engine = (
            closing.engine
            if change.decided_on == closing.day
            else closing.engine_on(change.decided_on)
        )
        view = _view(pupil, closing, change.decided_on)
        steps.append(step_of(cause, change, rule, engine, view))
    return steps
