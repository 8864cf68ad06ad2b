"""What steps a stream of facts must give: the life of a finding, worked out from scratch.

Written from the design's words alone ("What is measured" and "Life of a finding"), to be read
beside them: each comment and docstring says in other words the sentence that its code follows. At
every close each pupil, class and group of the school is judged from all the facts known, in plain
loops; nothing is added up as it goes, so nothing can go stale. Beside this: `files.py` reads the
two files, `figures.py` measures a pupil, `units.py` a class or group, and `sight.py` holds rules
against what is measured.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tests.oracle.figures import Figures, Lesson
from tests.oracle.files import (
    HORIZON,
    Calendar,
    Plain,
    Rule,
    Rulebook,
    exact,
    exact_date,
    exact_instant,
)
from tests.oracle.sight import CaseSight, Judged, OnRecord, PupilSight, Sight, Talk
from tests.oracle.units import SCHOOL, Cells, UnitSight, changed, counted, kept

__all__ = ["HORIZON", "Plain", "Step", "steps"]

Step = dict[str, Any]


def steps(
    facts: Iterable[Plain],
    rulebook: Plain,
    calendar: Plain,
    tally: Counter[str] | None = None,
) -> list[Step]:
    """The steps of a stream, in order of emission.

    `facts` are messages as plain values, dates and times as such or as ISO text; `rulebook` and
    `calendar` are the contents of the two files, in force from the start. A step's `figures` are
    None but for `opened`, and for `raised` where the level holds on the day itself; its `unit` is
    empty for a pupil's, its `pupil` for a unit's.

    `tally`, when given, counts what became of registrations (accepted, superseded, duplicate,
    expired, correction), of closes (`close ignored`) and of judgements (`too few days`,
    `too low coverage`).
    """
    tally = Counter() if tally is None else tally
    last_rulebook, last_calendar = rulebook, Calendar(calendar)
    schools: dict[str, School] = {}
    result: list[Step] = []

    def school_of(name: str) -> "School":
        if name not in schools:
            schools[name] = School(name, rulebook, Rulebook(rulebook, name), Calendar(calendar))
        return schools[name]

    for fact in facts:
        if fact["type"] == "attendance":
            taken = [
                (event["school"], event["pupil"])
                for event in fact["events"]
                if _register(school_of(event["school"]), event, tally)
            ]
            # Live, a rule on events is judged once per pupil after the whole entry.
            for school_name, pupil in sorted(set(taken)) if not fact["history"] else ():
                result += _on_event(school_of(school_name), pupil)
        elif fact["type"] == "pupil_record":
            _enrol(school_of(fact["school"]), fact)
        elif fact["type"] in ("case_told", "case_answer"):
            _talk(school_of(fact["school"]), fact)
        elif fact["type"] == "rulebook_changed":
            last_rulebook = fact["content"]
        elif fact["type"] == "calendar_changed":
            last_calendar = Calendar(fact["content"])
        elif fact["type"] == "day_closed":
            school, day = school_of(fact["school"]), exact_date(fact["date"])
            # A close not later than the newest, or on no school day, is ignored. The calendar
            # asked is the one that this close would bring into force: else a calendar sent in the
            # summer holidays, when the old one has no day left, could never come into force.
            if (school.closes and day <= school.newest_close) or day not in last_calendar.days:
                tally["close ignored"] += 1
                continue
            # Changes of rulebook and calendar are in force from the next close of each school.
            school.bring_into_force(last_rulebook, last_calendar)
            result += _close(school, day, history=bool(fact["history"]), tally=tally)
    return result


# ---- What is known -------------------------------------------------------------------------


@dataclass
class Finding:
    """A rule holds for a pupil or unit. `levels` is what each of its days was last judged at."""

    level: int
    since: date
    levels: dict[date, int]
    quiet_days: int = 0
    by_event: date | None = None
    """The day as of which it opened or rose between closes: at the next close it is judged anew as
    by a correction of that day."""


@dataclass
class Case:
    """What rules found of one pupil or unit."""

    findings: dict[str, Finding] = field(default_factory=dict)
    cleared: list[OnRecord] = field(default_factory=list)
    ended: dict[str, list[date]] = field(default_factory=dict)
    """When each rule's findings that are no more were cleared, or retracted to nothing."""
    corrected: date | None = None
    """Something was, since the last close: from which day on findings are judged anew."""
    moved: bool = False
    """At this close a correction took away, raised, lowered or moved an ordinary finding."""

    def correct(self, first: date) -> None:
        self.corrected = min(first, self.corrected or first)

    def on_record(self) -> list[OnRecord]:
        """What stands open, and what was cleared."""
        standing = [
            OnRecord(rule, finding.since, finding.levels, None)
            for rule, finding in self.findings.items()
        ]
        return standing + self.cleared


@dataclass
class Pupil:
    lessons: dict[str, Lesson] = field(default_factory=dict)
    record: Plain | None = None
    talk: Talk = field(default_factory=lambda: Talk([], []))
    case: Case = field(default_factory=Case)
    figures: Figures | None = None
    """None: to be made anew."""


@dataclass
class School:
    name: str
    content: Plain
    rulebook: Rulebook
    calendar: Calendar
    pupils: dict[str, Pupil] = field(default_factory=dict)
    closes: list[tuple[date, Rulebook]] = field(default_factory=list)
    units: dict[str, Case] = field(default_factory=dict)
    cells: Cells = field(default_factory=dict)

    @property
    def newest_close(self) -> date:
        return self.closes[-1][0]

    def bring_into_force(self, rulebook: Plain, calendar: Calendar) -> None:
        if rulebook is not self.content:
            self.content, self.rulebook = rulebook, Rulebook(rulebook, self.name)
        if calendar is not self.calendar:
            for pupil in self.pupils.values():
                pupil.figures = None
        self.calendar = calendar

    def pupil(self, name: str) -> Pupil:
        return self.pupils.setdefault(name, Pupil())

    def figures(self, pupil: Pupil) -> Figures:
        if pupil.figures is None:
            pupil.figures = Figures(self.calendar, pupil.record, pupil.lessons.values())
        return pupil.figures

    def by(self, day: date) -> Judged:
        """A day is judged anew by the rulebook of its close, or of the newest close before."""
        return Judged(day, next(book for closed, book in reversed(self.closes) if closed <= day))

    def newest(self, rule: str) -> Rule:
        """A rule as it last was: one that is gone or disabled may have a finding left."""
        books = [book for _, book in self.closes if any(each.id == rule for each in book.active)]
        return books[-1].named[rule]


def _register(school: School, event: Plain, tally: Counter[str]) -> bool:
    """Take in one registration: an upsert of a lesson. Did it take effect?"""
    lesson = Lesson(
        name=event["lesson"],
        starts_at=exact_instant(event["starts_at"]),
        minutes=event["minutes"],
        subject=event.get("subject") or "",
        group=event.get("group") or "",
        status=str(event["status"]),
        absent_minutes=event["absent_minutes"],
        recorded_at=exact_instant(event["recorded_at"]),
        canonical=_canonical(event),
    )
    so_far = school.pupils.get(event["pupil"], Pupil()).lessons.get(lesson.name)
    days = [school.calendar.local_date(each.starts_at) for each in (lesson, so_far) if each]

    # What concerns a lesson more than 60 school days before the newest closed day changes nothing,
    # whether that is the day named now or the day on which the lesson is held so far.
    if school.closes and any(
        school.calendar.distance(day, school.newest_close) > HORIZON for day in days
    ):
        tally["expired"] += 1
        return False

    # The highest revision wins. Equal revisions: the same content is a duplicate, and of different
    # contents the greater canonical JSON wins.
    if so_far is not None:
        if lesson.recorded_at == so_far.recorded_at and lesson.canonical == so_far.canonical:
            tally["duplicate"] += 1
            return False
        if (lesson.recorded_at, lesson.canonical) < (so_far.recorded_at, so_far.canonical):
            tally["superseded"] += 1
            return False

    tally["accepted"] += 1
    pupil = school.pupil(event["pupil"])
    pupil.lessons[lesson.name] = lesson
    if pupil.figures is not None:
        pupil.figures.take(lesson, so_far)

    # It is a correction when it concerns a day that was already closed: the day that it names, or
    # the day from which it takes the lesson.
    if school.closes and any(
        day in school.calendar.days and day <= school.newest_close for day in days
    ):
        tally["correction"] += 1
        pupil.case.correct(date.min)
    return True


def _enrol(school: School, record: Plain) -> None:
    """Take in what the roster says of a pupil: the record greatest by (valid_from, recorded_at)
    counts."""
    pupil = school.pupil(record["pupil"])
    if pupil.record is not None and _record_order(record) <= _record_order(pupil.record):
        return
    # A changed enrolment, bus, need, share of last year or class counts as a correction.
    if school.closes and _judged_by(record) != _judged_by(pupil.record or {}):
        pupil.case.correct(date.min)
    pupil.record, pupil.figures = record, None


def _record_order(record: Plain) -> tuple[date, datetime]:
    return exact_date(record["valid_from"]), exact_instant(record["recorded_at"])


def _judged_by(record: Plain) -> list[object]:
    last_year = record.get("last_year_share")
    return [
        *(str(record.get(key) or "") for key in ("enrolled", "bus", "class", "need")),
        None if last_year is None else exact(last_year),
    ]


def _talk(school: School, fact: Plain) -> None:
    """Take in that staff were told, or answered. One of a day already closed is a correction from
    that day; what is known already changes nothing."""
    pupil = school.pupil(fact["pupil"])
    known = pupil.talk.told if fact["type"] == "case_told" else pupil.talk.answers
    if fact in known:
        return
    known.append(fact)
    if school.closes and exact_date(fact["on"]) <= school.newest_close:
        pupil.case.correct(date.min)


# ---- A close -------------------------------------------------------------------------------


def _close(school: School, day: date, *, history: bool, tally: Counter[str]) -> list[Step]:
    """Judge every pupil of the school ever seen, lessons that day or not, then its units."""
    last_close = school.newest_close if school.closes else None
    school.closes.append((day, school.rulebook))
    result: list[Step] = []
    for name in sorted(school.pupils):
        place = {"school": school.name, "pupil": name, "unit": ""}
        steps_of = _judge_pupil(school, school.pupils[name], day, tally)
        result += [{**place, **step, "as_of": day, "history": history} for step in steps_of]
        school.pupils[name].case.corrected = None
        school.pupils[name].case.moved = False

    figures = [school.figures(pupil) for pupil in school.pupils.values()]
    cells = kept(school.cells, counted(figures, school.calendar, day), school.calendar, day)
    other = changed(school.cells, cells, last_close) if last_close else set[str]()
    school.cells = cells
    for unit in _units(school, figures):
        place = {"school": school.name, "pupil": "", "unit": unit}
        case = school.units.setdefault(unit, Case())
        # A unit is judged anew when a count of an earlier day changed since the last close.
        case.corrected = date.min if unit in other else None
        steps_of = _judge_unit(school, unit, case, day)
        result += [{**place, **step, "as_of": day, "history": history} for step in steps_of]
    return result


def _judge_pupil(school: School, pupil: Pupil, day: date, tally: Counter[str]) -> list[Step]:
    """Ended rules first, then those on registrations alone, then good news and those on a case,
    which see what stands after the others. Each in the rulebook's order."""
    case, today, figures = pupil.case, Judged(day, school.rulebook), school.figures(pupil)
    rules = school.rulebook.of_pupils
    result = _end_others(school, case, rules, day)
    sight = PupilSight(figures)
    for rule in rules:
        if rule.on_case and not isinstance(sight, CaseSight):
            sight = CaseSight(figures, case.on_record(), pupil.talk, case.ended)
        for step in _decide(school, case, rule, sight, today, tally):
            result.append(step | {"held_until": _held_until(school, pupil, step, day)})
    return result


def _units(school: School, figures: list[Figures]) -> list[str]:
    """Every class that a newest record names, every group that a lesson names, the school, and
    what has a finding left; in alphabetical order."""
    classes = {f"class/{pupil.record['class']}" for pupil in figures if pupil.record.get("class")}
    groups = {f"group/{each.group}" for pupil in figures for each in pupil.scheduled if each.group}
    left = {unit for unit, case in school.units.items() if case.findings}
    return sorted(classes | groups | left | {SCHOOL})


def _judge_unit(school: School, unit: str, case: Case, day: date) -> list[Step]:
    rules = school.rulebook.of_unit(unit.split("/", maxsplit=1)[0])
    today, sight = Judged(day, school.rulebook), UnitSight(unit, school.cells, school.calendar)
    result = _end_others(school, case, rules, day)
    for rule in rules:
        result += _decide(school, case, rule, sight, today, Counter())
    return result


def _end_others(school: School, case: Case, rules: list[Rule], day: date) -> list[Step]:
    """A finding whose rule is gone or disabled ends with cleared, and nothing else is asked."""
    listed = [rule.id for rule in rules]
    ending = sorted(rule for rule in case.findings if rule not in listed)
    return [_clear(case, school.newest(rule), day) for rule in ending]


# ---- The life of a finding -----------------------------------------------------------------


def _decide(
    school: School, case: Case, rule: Rule, sight: Sight, today: Judged, tally: Counter[str]
) -> list[Step]:
    """One pupil or unit and one rule at one close. Changes the case, and gives the steps."""
    finding = case.findings.get(rule.id)
    lack = sight.lack(rule, today)
    tally.update([] if lack is None else [lack])

    # Opened, raised, retracted: at most one of them. A finding that a correction takes away does
    # not open anew at the same close.
    if finding is None:
        result = _open(case, rule, sight, today)
    elif (first := _anew_from(case, rule, finding)) is not None:
        result = _judge_anew(school, case, rule, sight, today, first)
    else:
        result = _raise(rule, finding, sight, today)
    finding = case.findings.get(rule.id)
    if finding is None:
        return result

    # Cleared at the close of the tenth quiet day in a row, or of the next one when a changed
    # rulebook asks for fewer than there have been. A day without enough data neither counts nor
    # breaks, and no raise, retraction or correction recounts or resets.
    if lack is None:
        finding.quiet_days = finding.quiet_days + 1 if sight.quiet(rule, today) else 0
        if finding.quiet_days >= rule.clear_after:
            return [*result, _clear(case, rule, today.day)]

    # At the close of the school year's last school day, after all this, what is open ends.
    if school.calendar.ends_school_year(today.day):
        return [*result, _clear(case, rule, today.day)]
    return result


def _anew_from(case: Case, rule: Rule, finding: Finding) -> date | None:
    """From which day on is the finding judged anew: by a correction; since it opened or rose
    between closes; or, of a case, wholly since one of the others moved by a correction?"""
    moved = date.min if case.moved and rule.on_case else None
    days = [day for day in (case.corrected, finding.by_event, moved) if day is not None]
    return min(days, default=None)


def _open(case: Case, rule: Rule, sight: Sight, today: Judged) -> list[Step]:
    """No finding is open: one opens when a level holds today, at the highest that does, since
    today. Not on a day without enough data."""
    level = sight.level(rule, today)
    if not level:
        return []
    case.findings[rule.id] = Finding(level, today.day, {today.day: level})
    return [_step("opened", rule, level, today.day, figures=sight.deciding(rule, level, today))]


def _raise(rule: Rule, finding: Finding, sight: Sight, today: Judged) -> list[Step]:
    """Nothing was corrected: the finding rises when a higher level holds today. A lower value
    never lowers it. The day keeps the level it is judged at."""
    level = sight.level(rule, today)
    if level is None:
        return []
    finding.levels[today.day] = level
    if level <= finding.level:
        return []
    finding.level = level
    return [_step("raised", rule, level, finding.since, figures=sight.deciding(rule, level, today))]


def _judge_anew(
    school: School, case: Case, rule: Rule, sight: Sight, today: Judged, first: date
) -> list[Step]:
    """Something was corrected: the finding is judged anew with what is known today, as of each
    school day from `since` to today, each by the rulebook that was in force on it."""
    finding = case.findings[rule.id]
    old_level, old_since = finding.level, finding.since
    finding.by_event = None
    days = school.calendar.between(old_since, today.day)
    for day in days:
        # A day without enough data, more than 60 school days back, or before what was corrected
        # keeps the level at which it was last judged, none if it never was.
        if day < first or school.calendar.distance(day, today.day) > HORIZON:
            continue
        then = school.by(day)
        rule_then = then.rulebook.named.get(rule.id)
        if rule_then is None or not rule_then.enabled:
            continue
        level = sight.level(rule_then, then)
        if level is not None:
            finding.levels[day] = level

    # A day that has been taken off the calendar is none of its days any more.
    finding.levels = {day: finding.levels.get(day, 0) for day in days}

    # No level holds on any day: the finding is gone; its step carries the since it had.
    holding = [day for day in days if finding.levels[day] > 0]
    if not holding:
        del case.findings[rule.id]
        case.ended.setdefault(rule.id, []).append(today.day)
        case.moved = case.moved or rule.ordinary
        return [_step("retracted", rule, old_level, old_since, remaining=0)]

    # The first day on which a level holds is the new since, the highest level the new level.
    finding.since = holding[0]
    finding.level = max(finding.levels[day] for day in holding)
    if (finding.since, finding.level) != (old_since, old_level) and rule.ordinary:
        case.moved = True
    if finding.level < old_level:
        return [_step("retracted", rule, old_level, finding.since, remaining=finding.level)]
    if finding.level > old_level:
        holds_today = sight.level(rule, today) == finding.level
        figures = sight.deciding(rule, finding.level, today) if holds_today else None
        return [_step("raised", rule, finding.level, finding.since, figures=figures)]
    return []


def _clear(case: Case, rule: Rule, day: date) -> Step:
    """The finding is history; it stays on record."""
    finding = case.findings.pop(rule.id)
    case.cleared.append(OnRecord(rule.id, finding.since, finding.levels, day))
    case.ended.setdefault(rule.id, []).append(day)
    return _step("cleared", rule, finding.level, finding.since)


def _step(
    kind: str,
    rule: Rule,
    level: int,
    since: date,
    remaining: int | None = None,
    figures: list[dict[str, Any]] | None = None,
) -> Step:
    return {
        "rule": rule.id,
        "kind": kind,
        "level": level,
        "remaining": remaining,
        "since": since,
        "figures": figures,
        "shadow": rule.shadow,
        "good_news": rule.good_news,
        "damps": rule.damps,
        "held_until": None,
    }


# ---- Between closes ------------------------------------------------------------------------


def _on_event(school: School, name: str) -> list[Step]:
    """A registration took effect: rules on events are judged as of the first school day after the
    newest close, none before the first close. They may open or raise, nothing else."""
    day = school.calendar.after(school.newest_close, 1) if school.closes else None
    if day is None:
        return []
    pupil, today, result = school.pupil(name), Judged(day, school.rulebook), list[Step]()
    sight = PupilSight(school.figures(pupil))
    for rule in school.rulebook.of_pupils:
        if not rule.on_event:
            continue
        finding, level = pupil.case.findings.get(rule.id), sight.level(rule, today)
        if not level or (finding is not None and level <= finding.level):
            continue
        if finding is None:
            decided = _open(pupil.case, rule, sight, today)
        else:
            decided = _raise(rule, finding, sight, today)
        pupil.case.findings[rule.id].by_event = day
        for step in decided:
            held_until = _held_until(school, pupil, step, day)
            result.append(step | {"held_until": held_until})
    place = {"school": school.name, "pupil": name, "unit": "", "as_of": day, "history": False}
    return [place | step for step in result]


# ---- Holding -------------------------------------------------------------------------------


def _held_until(school: School, pupil: Pupil, step: Step, day: date) -> date | None:
    """The day until which telling of a pupil's step waits, the later of two; None: it does not."""
    until = list[date | None]()

    # Cool-down: it opens within so many school days after the same rule's finding ended.
    ends = [each for each in pupil.case.ended.get(step["rule"], ()) if each < day]
    ended, cool_down = max(ends, default=None), school.rulebook.cool_down
    if step["kind"] == "opened" and ended is not None and cool_down > 0:
        within = school.calendar.distance(ended, day) <= cool_down
        until += [school.calendar.after(ended, cool_down)] if within else []

    # Known cause: what opens or rises to level 1 or 2 up to the date of an answer.
    if step["kind"] in ("opened", "raised") and step["level"] <= 2:
        until += [
            exact_date(answer["until"])
            for answer in pupil.talk.answers
            if answer["answer"] == "known_cause" and exact_date(answer["until"]) >= day
        ]
    return max((each for each in until if each is not None), default=None)


# ---- Plain values --------------------------------------------------------------------------


def _canonical(event: Plain) -> str:
    """A registration's JSON with sorted keys and no spaces; without the group when it has none."""
    plain = {
        "absent_minutes": event["absent_minutes"],
        "lesson": event["lesson"],
        "minutes": event["minutes"],
        "pupil": event["pupil"],
        "recorded_at": _zulu(exact_instant(event["recorded_at"])),
        "school": event["school"],
        "starts_at": _zulu(exact_instant(event["starts_at"])),
        "status": str(event["status"]),
        "subject": event.get("subject") or "",
    }
    group = {"group": event["group"]} if event.get("group") else {}
    return json.dumps(plain | group, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _zulu(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
