"""How a rule is judged as of a school day: of a pupil, of a pupil's case, of a unit."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from tests.oracle.figures import Figures, Measured, ratio
from tests.oracle.files import (
    CASE_FIGURES,
    Calendar,
    Plain,
    Rule,
    Rulebook,
    exact,
    exact_date,
    kind,
)


@dataclass(frozen=True)
class Judged:
    """A school day, and the rulebook by which it is judged."""

    day: date
    rulebook: Rulebook


class Sight(ABC):
    """All that is known now of what rules are judged of."""

    @abstractmethod
    def measure(self, condition: Plain, at: Judged) -> Measured:
        """An indicator's value as of the day, None where there is none; the lessons behind it."""

    @abstractmethod
    def lack(self, rule: Rule, at: Judged) -> str | None:
        """What the rule's need lacks; None when it is met."""

    @abstractmethod
    def strictness(self, rule: Rule, at: Judged) -> Fraction:
        """By what every `at_least` is multiplied and every `at_most` divided."""

    def level(self, rule: Rule, at: Judged) -> int | None:
        """The highest level that holds, 0 if none; None without enough data."""
        if self.lack(rule, at) is not None:
            return None
        factor = self.strictness(rule, at)
        holding = [level for level, each in rule.levels.items() if self._holds(each, factor, at)]
        return max(holding, default=0)

    def quiet(self, rule: Rule, at: Judged) -> bool:
        """No level would hold with thresholds eased, on top of the strictness."""
        factor = self.strictness(rule, at) * rule.clear_factor
        return not any(self._holds(condition, factor, at) for condition in rule.levels.values())

    def _holds(self, condition: Plain, factor: Fraction, at: Judged) -> bool:
        """The edge counts in both; what has no value holds nothing."""
        if condition.get("all") is not None:
            return all(self._holds(part, factor, at) for part in condition["all"])
        if condition.get("any") is not None:
            return any(self._holds(part, factor, at) for part in condition["any"])
        value, _ = self.measure(condition, at)
        if value is None:
            return False
        if condition.get("at_least") is not None:
            return value >= _lowered(exact(condition["at_least"]), factor)
        return value <= _raised(exact(condition["at_most"]), factor)

    def deciding(self, rule: Rule, level: int, at: Judged) -> list[dict[str, Any]]:
        """The thresholds that make `level` hold, with what was measured."""
        return self._deciding(rule.levels[level], self.strictness(rule, at), at)

    def _deciding(self, condition: Plain, factor: Fraction, at: Judged) -> list[dict[str, Any]]:
        if condition.get("all") is not None:
            parts = condition["all"]
            return [leaf for part in parts for leaf in self._deciding(part, factor, at)]
        if condition.get("any") is not None:
            parts = [part for part in condition["any"] if self._holds(part, factor, at)]
            return [leaf for part in parts for leaf in self._deciding(part, factor, at)]
        value, lessons = self.measure(condition, at)
        figure = {
            "indicator": condition["indicator"],
            "kind": kind(condition),
            "days": condition.get("days"),
            "value": value,
            "lessons": {lesson.name for lesson in lessons},
        }
        if condition.get("at_least") is not None:
            return [figure | {"at_least": _lowered(exact(condition["at_least"]), factor)}]
        return [figure | {"at_most": _raised(exact(condition["at_most"]), factor)}]


def _lowered(threshold: Fraction, factor: Fraction) -> Fraction:
    return threshold if factor == 1 else threshold * factor


def _raised(threshold: Fraction, factor: Fraction) -> Fraction:
    return threshold if factor == 1 else threshold / factor


class PupilSight(Sight):
    """A pupil's registrations and newest record."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self._lacks: dict[tuple[object, ...], str | None] = {}

    def measure(self, condition: Plain, at: Judged) -> Measured:
        return self.figures.measure(condition, at.day)

    def lack(self, rule: Rule, at: Judged) -> str | None:
        """The need must be met in every window that the levels name."""
        for span in rule.need_windows:
            key = (at.day, span, rule.need_days, str(rule.need_coverage))
            if key not in self._lacks:
                self._lacks[key] = self._lack(span, rule, at.day)
            if self._lacks[key] is not None:
                return self._lacks[key]
        return None

    def _lack(self, span: int | str, rule: Rule, as_of: date) -> str | None:
        window = self.figures.window(span, as_of)
        if len([day for day in window if day.counts]) < rule.need_days:
            return "too few days"
        # Coverage is counting / scheduled lessons. Of nothing scheduled no coverage is met but
        # that of 0.
        scheduled = sum(len(day.scheduled) for day in window)
        reported = sum(len(day.lessons) for day in window)
        if not scheduled and rule.need_coverage > 0:
            return "too low coverage"
        if scheduled and Fraction(reported, scheduled) < rule.need_coverage:
            return "too low coverage"
        return None

    def strictness(self, rule: Rule, at: Judged) -> Fraction:
        """For a sensitive pupil the thresholds of every ordinary rule are lower."""
        handover = at.rulebook.handover
        if handover is None or not rule.ordinary or not self._sensitive(handover, at.day):
            return Fraction(1)
        return exact(handover.get("factor", "0.6"))

    def _sensitive(self, handover: Plain, day: date) -> bool:
        """The record names `enrolled`, the day is one of the first school days from then on, across
        years, and the feeder school told of a need or of much absence last year."""
        enrolled, record = self.figures.enrolled, self.figures.record
        if enrolled is None or day < enrolled:
            return False
        if len(self.figures.calendar.between(enrolled, day)) > handover.get("days", 40):
            return False
        last_year = record.get("last_year_share")
        much = last_year is not None and exact(last_year) >= exact(handover.get("share", "0.10"))
        return bool(record.get("need")) or much


@dataclass(frozen=True)
class OnRecord:
    """A finding that stands open, or was cleared."""

    rule: str
    since: date
    levels: dict[date, int]
    cleared: date | None

    def open_as_of(self, day: date) -> bool:
        return self.since <= day and not (self.cleared is not None and self.cleared <= day)

    def reached(self, level: int) -> date | None:
        """The first of its days judged at that level or more."""
        days = [day for day in self.levels if day >= self.since and self.levels[day] >= level]
        return min(days, default=None)


@dataclass(frozen=True)
class Talk:
    """What staff were told of a pupil, and what they answered: facts as they came."""

    told: list[Plain]
    answers: list[Plain]

    def unanswered(self, as_of: date, waits: Callable[[Plain], bool]) -> date | None:
        """The date of the oldest telling that waits, without an answer on or after it."""
        answered = [_on(answer) for answer in self.answers if _on(answer) <= as_of]
        waiting = [
            _on(telling)
            for telling in self.told
            if _on(telling) <= as_of and not any(on >= _on(telling) for on in answered)
            if waits(telling)
        ]
        return min(waiting, default=None)


def _on(fact: Plain) -> date:
    return exact_date(fact["on"])


class CaseSight(PupilSight):
    """A pupil with what is on record of the other rules, after they were decided."""

    def __init__(
        self,
        figures: Figures,
        record: Iterable[OnRecord],
        talk: Talk,
        ended: Mapping[str, Sequence[date]],
    ) -> None:
        """`ended`: by rule, the days on which a finding ended, cleared or taken away."""
        super().__init__(figures)
        self.record = list(record)
        self.talk = talk
        self.ended = ended
        self._reached: dict[int, list[tuple[str, date | None]]] = {}

    def measure(self, condition: Plain, at: Judged) -> Measured:
        name = condition["indicator"]
        if name not in CASE_FIGURES:
            return super().measure(condition, at)
        # As of an earlier day an ordinary rule is one of the rulebook that judges that day, and not
        # disabled: to switch a rule off is no end of anybody's case.
        plain = {rule.id for rule in at.rulebook.active if rule.ordinary}
        if name == "findings":
            return self._findings(condition, plain, at.day), []
        still_open = [e for e in self.record if e.rule in plain and e.open_as_of(at.day)]
        if name == "relapse":
            return self._relapse(condition["days"], plain, still_open, at.day)
        if name == "improvement":
            return self._improvement(condition["days"], still_open, at.day)
        told = self._unanswered(at, plain, {each.rule for each in still_open})
        return (0 if told is None else self._calendar.distance(told, at.day)), []

    def _unanswered(self, at: Judged, plain: set[str], open_now: set[str]) -> date | None:
        """The oldest telling that waits for an answer, while anything is open at all."""
        reminders = {rule.id for rule in at.rulebook.active if rule.reminds}
        year = self._calendar.year_so_far(at.day)

        def waits(telling: Plain) -> bool:
            """Does something stand of which it told? Of what it told may not have been said; what
            is made of other findings stands with any; and reminders count for nothing."""
            if year and _on(telling) < year[0]:
                return False  # all that it told of has ended with that year
            told_of = set(telling.get("rules", ()))
            asking = told_of - reminders
            if not told_of or asking - plain:
                return True
            ended_since = {
                rule
                for rule, days in self.ended.items()
                if any(_on(telling) <= day <= at.day for day in days)
            }
            return bool((asking - ended_since) & open_now)

        return self.talk.unanswered(at.day, waits) if open_now else None

    @property
    def _calendar(self) -> Calendar:
        return self.figures.calendar

    def _within(self, days: int, day: date) -> Callable[[date | None], bool]:
        """Does a date lie within the last N school days, by calendar and school year alone? One
        that is no school day any more lies among those around it."""
        window = self._calendar.year_so_far(day)[-days:]
        return lambda date_: date_ is not None and window[0] <= date_ <= day

    def _findings(self, condition: Plain, plain: set[str], day: date) -> int:
        """How many rules have a finding on record that first reached the level in the window; the
        enrolment does not matter."""
        level, named = condition.get("level") or 1, condition.get("rules")
        if level not in self._reached:
            self._reached[level] = [(each.rule, each.reached(level)) for each in self.record]
        within = self._within(condition["days"], day)
        found = {rule for rule, reached in self._reached[level] if within(reached)}
        return len([rule for rule in found & plain if named is None or rule in named])

    def _relapse(
        self, days: int, plain: set[str], still_open: list[OnRecord], day: date
    ) -> Measured:
        """The absence share while nothing is open and something was cleared in the window."""
        within = self._within(days, day)
        cleared = [each for each in self.record if each.rule in plain and within(each.cleared)]
        if still_open or not cleared:
            return 0, []
        return self._absence_share(days, day)

    def _improvement(self, days: int, still_open: list[OnRecord], day: date) -> Measured:
        """The absence share over that as of the oldest `since` among what is open."""
        if not still_open:
            return None, []
        now, lessons = self._absence_share(days, day)
        base, _ = self._absence_share(days, min(each.since for each in still_open))
        return (None if base == 0 else ratio(now, base)), lessons

    def _absence_share(self, days: int, day: date) -> Measured:
        return self.figures.measure({"indicator": "absence_share", "days": days}, day)
