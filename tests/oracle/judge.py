"""What steps a stream of facts must give: the life of a finding, worked out from scratch.

Written from the design's words alone ("What is measured" and "Life of a finding"), to be read
beside them: each comment and docstring says in other words the sentence that its code follows. At
every close each pupil of the school is judged from all the registrations known, in plain loops;
nothing is added up as it goes, so nothing can go stale.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Plain = Mapping[str, Any]
Step = dict[str, Any]

HORIZON = 60
"""School days before the newest close after which a registration changes nothing."""


def steps(
    facts: Iterable[Plain],
    rulebook: Plain,
    calendar: Plain,
    tally: Counter[str] | None = None,
) -> list[Step]:
    """The steps of a stream, in order of emission.

    `facts` are messages as plain values, dates and times as such or as ISO text; `rulebook` and
    `calendar` are the contents of the two files, in force from the start. A step's `figures` are
    None but for `opened`, and for `raised` where the level holds on the day itself.

    `tally`, when given, counts what became of registrations (accepted, superseded, duplicate,
    expired, correction), of closes (`close ignored`) and of judgements (`too few days`,
    `too low coverage`).
    """
    tally = Counter() if tally is None else tally
    first_rulebook, first_calendar = Rulebook(rulebook), Calendar(calendar)
    last_rulebook, last_calendar = first_rulebook, first_calendar
    schools: dict[str, School] = {}
    result: list[Step] = []

    def school_of(name: str) -> "School":
        return schools.setdefault(name, School(name, first_rulebook, first_calendar))

    for fact in facts:
        if fact["type"] == "attendance":
            for event in fact["events"]:
                _register(school_of(event["school"]), event, tally)
        elif fact["type"] == "pupil_record":
            _enrol(school_of(fact["school"]), fact)
        elif fact["type"] == "rulebook_changed":
            last_rulebook = Rulebook(fact["content"])
        elif fact["type"] == "calendar_changed":
            last_calendar = Calendar(fact["content"])
        elif fact["type"] == "day_closed":
            school, day = school_of(fact["school"]), _date(fact["date"])
            # A close not later than the newest, or on no school day, is ignored. The calendar
            # asked is the one that this close would bring into force: else a calendar sent in the
            # summer holidays, when the old one has no day left, could never come into force.
            if (school.closes and day <= school.newest_close) or day not in last_calendar.days:
                tally["close ignored"] += 1
                continue
            # Changes of rulebook and calendar are in force from the next close of each school.
            school.rulebook, school.calendar = last_rulebook, last_calendar
            school.closes.append((day, last_rulebook))
            result += _close(school, day, history=bool(fact["history"]), tally=tally)
    return result


# ---- What is known -------------------------------------------------------------------------


@dataclass(frozen=True)
class Lesson:
    """The registration that counts of one lesson."""

    name: str
    starts_at: datetime
    minutes: int
    status: str
    absent_minutes: int
    recorded_at: datetime
    canonical: str

    @property
    def counts(self) -> bool:
        """Lessons that count are reported and not withdrawn."""
        return self.status not in ("unreported", "withdrawn")

    @property
    def excused(self) -> bool:
        """`leave` counts as excused."""
        return self.status in ("excused", "leave")

    @property
    def wholly_missed(self) -> bool:
        return (self.excused or self.status == "unexcused") and self.absent_minutes == self.minutes


@dataclass
class Finding:
    """A rule holds for a pupil. `levels` is what each of its days was last judged at."""

    level: int
    since: date
    levels: dict[date, int]
    quiet_days: int = 0


@dataclass
class Pupil:
    lessons: dict[str, Lesson] = field(default_factory=dict)
    record: Plain | None = None
    corrected: bool = False
    findings: dict[str, Finding] = field(default_factory=dict)

    @property
    def enrolled(self) -> date | None:
        """What the roster says. Where it says nothing, enrolment is the first lesson's day, and
        windows need no cutting: no lesson is older than the first."""
        if self.record is None or self.record.get("enrolled") is None:
            return None
        return _date(self.record["enrolled"])


@dataclass
class School:
    name: str
    rulebook: "Rulebook"
    calendar: "Calendar"
    pupils: dict[str, Pupil] = field(default_factory=dict)
    closes: list[tuple[date, "Rulebook"]] = field(default_factory=list)

    @property
    def newest_close(self) -> date:
        return self.closes[-1][0]

    def rulebook_of(self, day: date) -> "Rulebook":
        """A day is judged anew by the rulebook of its close, or of the newest close before."""
        return [rulebook for closed, rulebook in self.closes if closed <= day][-1]


def _register(school: School, event: Plain, tally: Counter[str]) -> None:
    """Take in one registration: an upsert of a lesson."""
    lesson = Lesson(
        name=event["lesson"],
        starts_at=_instant(event["starts_at"]),
        minutes=event["minutes"],
        status=str(event["status"]),
        absent_minutes=event["absent_minutes"],
        recorded_at=_instant(event["recorded_at"]),
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
        return

    # The highest revision wins. Equal revisions: the same content is a duplicate, and of different
    # contents the greater canonical JSON wins.
    if so_far is not None:
        if lesson.recorded_at == so_far.recorded_at and lesson.canonical == so_far.canonical:
            tally["duplicate"] += 1
            return
        if (lesson.recorded_at, lesson.canonical) < (so_far.recorded_at, so_far.canonical):
            tally["superseded"] += 1
            return

    tally["accepted"] += 1
    pupil = school.pupils.setdefault(event["pupil"], Pupil())
    pupil.lessons[lesson.name] = lesson

    # It is a correction when it concerns a day that was already closed: the day that it names, or
    # the day from which it takes the lesson.
    if school.closes and any(
        day in school.calendar.days and day <= school.newest_close for day in days
    ):
        tally["correction"] += 1
        pupil.corrected = True


def _enrol(school: School, record: Plain) -> None:
    """Take in what the roster says of a pupil: the record greatest by (valid_from, recorded_at)
    counts."""
    pupil = school.pupils.setdefault(record["pupil"], Pupil())
    before = pupil.enrolled
    if pupil.record is None or _record_order(record) > _record_order(pupil.record):
        pupil.record = record
    # A changed enrolment counts as a correction.
    if school.closes and pupil.enrolled != before:
        pupil.corrected = True


def _record_order(record: Plain) -> tuple[date, datetime]:
    return _date(record["valid_from"]), _instant(record["recorded_at"])


# ---- The life of a finding -----------------------------------------------------------------


def _close(school: School, day: date, *, history: bool, tally: Counter[str]) -> list[Step]:
    """Judge every pupil of the school ever seen, lessons that day or not."""
    result: list[Step] = []
    for name in sorted(school.pupils):
        pupil = school.pupils[name]
        today = View(day, school.calendar, pupil.enrolled, _by_day(pupil, school.calendar))
        for rule in _rules_to_decide(school, pupil):
            for step in _decide(school, pupil, rule, today, tally):
                place = {"school": school.name, "pupil": name, "rule": rule}
                result.append({**place, **step, "as_of": day, "history": history})
        pupil.corrected = False
    return result


def _rules_to_decide(school: School, pupil: Pupil) -> list[str]:
    """The rulebook's rules in its order, then those that are gone but have a finding open."""
    listed = [rule["id"] for rule in school.rulebook.rules]
    return listed + sorted(rule for rule in pupil.findings if rule not in listed)


def _decide(
    school: School, pupil: Pupil, name: str, today: "View", tally: Counter[str]
) -> list[Step]:
    """One pupil and rule at one close. Changes the pupil's findings, and gives the steps."""
    finding, rule = pupil.findings.pop(name, None), school.rulebook.active(name)

    # A finding whose rule is gone or disabled ends with cleared, and nothing else is asked.
    if rule is None:
        return [] if finding is None else [_step("cleared", finding.level, finding.since)]

    lack = today.lack(rule)
    tally.update([] if lack is None else [lack])

    # Opened, raised, retracted: at most one of them. A finding that a correction takes away does
    # not open anew at the same close.
    if finding is None:
        finding, result = _open(rule, today)
    elif pupil.corrected:
        finding, result = _judge_anew(school, rule, finding, today)
    else:
        result = _raise(rule, finding, today)
    if finding is None:
        return result

    # Cleared at the close of the tenth quiet day in a row, or of the next one when a changed
    # rulebook asks for fewer than there have been. A day without enough data neither counts nor
    # breaks, and no raise, retraction or correction recounts or resets.
    if lack is None:
        quiet = today.quiet(rule, school.rulebook.clear_factor)
        finding.quiet_days = finding.quiet_days + 1 if quiet else 0
        if finding.quiet_days >= school.rulebook.clear_after:
            return [*result, _step("cleared", finding.level, finding.since)]

    # At the close of the school year's last school day, after all this, what is open ends.
    if school.calendar.ends_school_year(today.day):
        return [*result, _step("cleared", finding.level, finding.since)]

    pupil.findings[name] = finding
    return result


def _open(rule: Plain, today: "View") -> tuple[Finding | None, list[Step]]:
    """No finding is open: one opens when a level holds today, at the highest that does, since
    today. Not on a day without enough data."""
    level = today.level(rule)
    if not level:
        return None, []
    opened = Finding(level, today.day, {today.day: level})
    return opened, [_step("opened", level, today.day, figures=today.deciding(rule, level))]


def _raise(rule: Plain, finding: Finding, today: "View") -> list[Step]:
    """Nothing was corrected: the finding rises when a higher level holds today. A lower value
    never lowers it. The day keeps the level it is judged at."""
    level = today.level(rule)
    if level is None:
        return []
    finding.levels[today.day] = level
    if level <= finding.level:
        return []
    finding.level = level
    return [_step("raised", level, finding.since, figures=today.deciding(rule, level))]


def _judge_anew(
    school: School, rule: Plain, finding: Finding, today: "View"
) -> tuple[Finding | None, list[Step]]:
    """Something was corrected: the finding is judged anew with what is known today, as of each
    school day from `since` to today, each by the rulebook that was in force on it."""
    old_level, old_since = finding.level, finding.since
    days = school.calendar.between(old_since, today.day)
    for day in days:
        # A day without enough data, or more than 60 school days back, keeps the level at which it
        # was last judged, none if it never was.
        if school.calendar.distance(day, today.day) > HORIZON:
            continue
        rule_then = school.rulebook_of(day).active(rule["id"])
        level = None if rule_then is None else today.as_of(day).level(rule_then)
        if level is not None:
            finding.levels[day] = level

    # No level holds on any day: the finding is gone; its step carries the since it had.
    holding = [day for day in days if finding.levels.get(day, 0) > 0]
    if not holding:
        return None, [_step("retracted", old_level, old_since, remaining=0)]

    # The first day on which a level holds is the new since, the highest level the new level.
    finding.since = holding[0]
    finding.level = max(finding.levels[day] for day in holding)
    if finding.level < old_level:
        return finding, [_step("retracted", old_level, finding.since, remaining=finding.level)]
    if finding.level > old_level:
        holds_today = today.level(rule) == finding.level
        figures = today.deciding(rule, finding.level) if holds_today else None
        return finding, [_step("raised", finding.level, finding.since, figures=figures)]
    return finding, []


def _step(
    kind: str,
    level: int,
    since: date,
    remaining: int | None = None,
    figures: list[dict[str, Any]] | None = None,
) -> Step:
    return {
        "kind": kind,
        "level": level,
        "remaining": remaining,
        "since": since,
        "figures": figures,
    }


# ---- What is measured ----------------------------------------------------------------------


@dataclass(frozen=True)
class View:
    """All that is known of a pupil now, looked at as of a school day."""

    day: date
    calendar: "Calendar"
    enrolled: date | None
    lessons: Mapping[date, list[Lesson]]

    def as_of(self, day: date) -> "View":
        return View(day, self.calendar, self.enrolled, self.lessons)

    def window(self, days: int | None) -> list[date]:
        """The last N school days up to and including the as-of day, never past the first day of
        the school year, nor past the enrolment. Without `days`: the school year so far."""
        so_far = [day for day in self.calendar.school_year(self.day) if day <= self.day]
        last = so_far if days is None else so_far[-days:]
        return [day for day in last if self.enrolled is None or day >= self.enrolled]

    def counting(self, days: int | None) -> list[Lesson]:
        return [
            lesson
            for day in self.window(days)
            for lesson in self.lessons.get(day, [])
            if lesson.counts
        ]

    def lack(self, rule: Plain) -> str | None:
        """What the rule's need lacks, None when it is met in every window that its levels name."""
        need_days, need_coverage = _needs(rule)
        for days in _windows(rule):
            window = self.window(days)
            with_lessons = [
                day for day in window if any(each.counts for each in self.lessons.get(day, []))
            ]
            if len(with_lessons) < need_days:
                return "too few days"
            # Coverage is reported / scheduled lessons. Withdrawn ones are not scheduled, and of
            # nothing scheduled no coverage is met but that of 0.
            scheduled = [
                lesson
                for day in window
                for lesson in self.lessons.get(day, [])
                if lesson.status != "withdrawn"
            ]
            reported = [lesson for lesson in scheduled if lesson.counts]
            if not scheduled and need_coverage > 0:
                return "too low coverage"
            if scheduled and Fraction(len(reported), len(scheduled)) < need_coverage:
                return "too low coverage"
        return None

    def level(self, rule: Plain) -> int | None:
        """The highest level that holds, 0 if none; None without enough data."""
        if self.lack(rule) is not None:
            return None
        return max(
            (level for level, condition in _levels(rule) if self.holds(condition)), default=0
        )

    def quiet(self, rule: Plain, clear_factor: Fraction) -> bool:
        """No level would hold with every at_least multiplied, every at_most divided."""
        return not any(self.holds(condition, clear_factor) for _, condition in _levels(rule))

    def holds(self, condition: Plain, clear_factor: Fraction = Fraction(1)) -> bool:
        """The edge counts in both; a share of nothing offered holds nothing."""
        if condition.get("all") is not None:
            return all(self.holds(part, clear_factor) for part in condition["all"])
        if condition.get("any") is not None:
            return any(self.holds(part, clear_factor) for part in condition["any"])
        value, _ = self.measure(condition)
        if value is None:
            return False
        if condition.get("at_least") is not None:
            return value >= _exact(condition["at_least"]) * clear_factor
        return value <= _exact(condition["at_most"]) / clear_factor

    def deciding(self, rule: Plain, level: int) -> list[dict[str, Any]]:
        """The thresholds that make `level` hold, with what was measured."""
        return self._deciding(dict(_levels(rule))[level])

    def _deciding(self, condition: Plain) -> list[dict[str, Any]]:
        if condition.get("all") is not None:
            return [leaf for part in condition["all"] for leaf in self._deciding(part)]
        if condition.get("any") is not None:
            holding = [part for part in condition["any"] if self.holds(part)]
            return [leaf for part in holding for leaf in self._deciding(part)]
        value, lessons = self.measure(condition)
        edge = "at_least" if condition.get("at_least") is not None else "at_most"
        return [
            {
                "indicator": condition["indicator"],
                "kind": _kind(condition),
                "days": condition.get("days"),
                "value": value,
                edge: _exact(condition[edge]),
                "lessons": {lesson.name for lesson in lessons},
            }
        ]

    def measure(self, condition: Plain) -> tuple[Fraction | int | None, list[Lesson]]:
        """An indicator's value, None where nothing is offered, and the lessons behind it."""
        indicator, lessons = condition["indicator"], self.counting(condition.get("days"))
        if indicator == "absence_share":
            return self._absence_share(_kind(condition), lessons)
        if indicator == "absent_run":
            return self._absent_run()
        if indicator == "lates":
            late = [lesson for lesson in lessons if lesson.status == "late"]
            return len(late), late
        unexcused = [lesson for lesson in lessons if lesson.status == "unexcused"]
        if indicator == "unexcused_lessons":
            return len(unexcused), unexcused
        if indicator == "unexcused_days":
            return len({self.calendar.local_date(each.starts_at) for each in unexcused}), unexcused
        raise ValueError(f"met the indicator {indicator!r}, which the oracle does not measure")

    def _absence_share(
        self, kind: str | None, lessons: list[Lesson]
    ) -> tuple[Fraction | None, list[Lesson]]:
        """Absent minutes / offered minutes of counting lessons, whatever the status. Of kind
        excused: those missed in excused lessons; unexcused: in lessons unexcused or late."""
        offered = sum(lesson.minutes for lesson in lessons)
        missed = [
            lesson
            for lesson in lessons
            if lesson.absent_minutes > 0
            and (
                kind == "all"
                or (kind == "excused" and lesson.excused)
                or (kind == "unexcused" and lesson.status in ("unexcused", "late"))
            )
        ]
        absent = sum(lesson.absent_minutes for lesson in missed)
        return (Fraction(absent, offered) if offered else None), missed

    def _absent_run(self) -> tuple[int, list[Lesson]]:
        """Consecutive absent days up to the last day with counting lessons. An absent day has
        counting lessons, each wholly missed; a day without any neither counts nor breaks."""
        run, missed = 0, list[Lesson]()
        for day in reversed(self.window(None)):
            lessons = [lesson for lesson in self.lessons.get(day, []) if lesson.counts]
            if not lessons:
                continue
            if not all(lesson.wholly_missed for lesson in lessons):
                break
            run += 1
            missed += lessons
        return run, missed


def _by_day(pupil: Pupil, calendar: "Calendar") -> dict[date, list[Lesson]]:
    """A lesson belongs to the local date on which it starts."""
    result: dict[date, list[Lesson]] = {}
    for lesson in pupil.lessons.values():
        result.setdefault(calendar.local_date(lesson.starts_at), []).append(lesson)
    return result


# ---- The two files -------------------------------------------------------------------------


class Calendar:
    """Days are school days when they are Monday to Friday within a term and not off."""

    def __init__(self, content: Plain) -> None:
        self.zone = ZoneInfo(content.get("timezone") or "Europe/Stockholm")
        self.years = [_school_days(year) for year in content["school_years"]]
        self.days = {day for year in self.years for day in year}

    def local_date(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def school_year(self, day: date) -> list[date]:
        """The school days of the newest school year that has begun on `day`."""
        return next((year for year in reversed(self.years) if year[0] <= day), [])

    def ends_school_year(self, day: date) -> bool:
        return any(day == year[-1] for year in self.years)

    def between(self, first: date, last: date) -> list[date]:
        """The school days from `first` to `last`, both included."""
        return [day for year in self.years for day in year if first <= day <= last]

    def distance(self, day: date, later: date) -> int:
        """The number of school days after `day`, up to and including `later`."""
        return len([each for each in self.days if day < each <= later])


def _school_days(year: Plain) -> list[date]:
    off = [(_date(span["first"]), _date(span["last"])) for span in year.get("days_off") or ()]
    result = []
    for term in year["terms"]:
        day = _date(term["first"])
        while day <= _date(term["last"]):
            if day.weekday() < 5 and not any(first <= day <= last for first, last in off):
                result.append(day)
            day += timedelta(days=1)
    return result


class Rulebook:
    """The rulebook, with what is left out filled in."""

    def __init__(self, content: Plain) -> None:
        factor, after = content.get("clear_factor"), content.get("clear_after")
        self.clear_factor = Fraction("0.8") if factor is None else _exact(factor)
        self.clear_after = 10 if after is None else int(after)
        self.rules: list[Plain] = list(content["rules"])

    def active(self, name: str) -> Plain | None:
        """The rule of that name, None when it is gone or disabled."""
        for rule in self.rules:
            if rule["id"] == name and rule.get("enabled") is not False:
                return rule
        return None


def _levels(rule: Plain) -> list[tuple[int, Plain]]:
    """Its levels with their conditions; JSON makes text of numbers that are keys."""
    return [(int(level), condition) for level, condition in rule["levels"].items()]


def _leaves(condition: Plain) -> list[Plain]:
    parts = [*(condition.get("all") or ()), *(condition.get("any") or ())]
    return [leaf for part in parts for leaf in _leaves(part)] if parts else [condition]


def _all_leaves(rule: Plain) -> list[Plain]:
    return [leaf for _, condition in _levels(rule) for leaf in _leaves(condition)]


def _windows(rule: Plain) -> set[int]:
    days = [leaf.get("days") for leaf in _all_leaves(rule)]
    return {each for each in days if each is not None}


def _needs(rule: Plain) -> tuple[int, Fraction]:
    """Rules on shares need 10 days and coverage 0.9, either set per rule; rules that count need
    neither."""
    shares = any(leaf["indicator"] == "absence_share" for leaf in _all_leaves(rule))
    given = rule.get("needs") or {}
    days, coverage = given.get("days"), given.get("coverage")
    if days is None:
        days = 10 if shares else 0
    if coverage is None:
        coverage = "0.9" if shares else 0
    return int(days), _exact(coverage)


def _kind(condition: Plain) -> str | None:
    if condition["indicator"] != "absence_share":
        return None
    return condition.get("kind") or "all"


# ---- Plain values --------------------------------------------------------------------------


def _date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _instant(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _exact(value: object) -> Fraction:
    """A number as it is written: 0.1 is a tenth and not the nearest float."""
    return value if isinstance(value, Fraction) else Fraction(str(value))


def _canonical(event: Plain) -> str:
    """A registration's JSON with sorted keys and no spaces."""
    plain = {
        "absent_minutes": event["absent_minutes"],
        "lesson": event["lesson"],
        "minutes": event["minutes"],
        "pupil": event["pupil"],
        "recorded_at": _zulu(_instant(event["recorded_at"])),
        "school": event["school"],
        "starts_at": _zulu(_instant(event["starts_at"])),
        "status": str(event["status"]),
        "subject": event.get("subject") or "",
    }
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _zulu(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
