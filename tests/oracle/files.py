"""The calendar and the rulebook as plain values, with what is left out filled in."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

Plain = Mapping[str, Any]

HORIZON = 60
"""School days before the newest close after which a registration changes nothing."""

CASE_FIGURES = ("findings", "relapse", "improvement", "unanswered")

RATES = (
    "absence_share",
    "scattered_share",
    "weekday_share",
    "weekday_tail",
    "edge_ratio",
    "subject_share",
    "subject_ratio",
    "rise",
    "rise_ratio",
    "persistent_blocks",
    "relapse",
    "improvement",
)
"""Shares and rates: a rule on one needs 10 days and coverage 0.9 where it says nothing else."""

WITHOUT_NEEDS = ("term_start_days", "absent_run", "return", "unanswered", "findings")
"""These name no window in which needs are asked."""


# ---- calendar.yaml -------------------------------------------------------------------------


class Calendar:
    """Days are school days when they are Monday to Friday within a term and not off."""

    def __init__(self, content: Plain) -> None:
        self.zone = ZoneInfo(content.get("timezone") or "Europe/Stockholm")
        self.day_close = exact_time(content.get("day_close") or "17:00")
        years = [_terms(year) for year in content["school_years"]]
        self.terms = [term for year in years for term in year if term]
        self.years = [[day for term in year for day in term] for year in years]
        self.in_order = [day for year in self.years for day in year]
        self.days = set(self.in_order)
        self.delays: list[Plain] = list(content.get("bus_delays") or ())
        self._so_far: dict[tuple[date, str], list[date]] = {}
        self._due: dict[datetime, date] = {}

    def local_date(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def year_so_far(self, day: date) -> list[date]:
        """The school days up to `day` of the newest school year that has begun."""
        return self._begun(self.years, day, "year")

    def term_so_far(self, day: date) -> list[date]:
        return self._begun(self.terms, day, "term")

    def _begun(self, spans: list[list[date]], day: date, what: str) -> list[date]:
        if (day, what) not in self._so_far:
            newest = next((span for span in reversed(spans) if span[0] <= day), [])
            self._so_far[day, what] = [each for each in newest if each <= day]
        return self._so_far[day, what]

    def ends_school_year(self, day: date) -> bool:
        return any(day == year[-1] for year in self.years)

    def between(self, first: date, last: date) -> list[date]:
        """The school days from `first` to `last`, both included."""
        return self.in_order[bisect_left(self.in_order, first) : bisect_right(self.in_order, last)]

    def distance(self, day: date, later: date) -> int:
        """The number of school days after `day`, up to and including `later`."""
        return max(0, bisect_right(self.in_order, later) - bisect_right(self.in_order, day))

    def after(self, day: date, number: int) -> date | None:
        """The school day `number` school days after `day`; None where the calendar ends."""
        later = [each for each in self.in_order if each > day]
        return later[number - 1] if len(later) >= number else None

    def is_edge(self, day: date) -> bool:
        """A school day of which the calendar day before or after is no school day."""
        one = timedelta(days=1)
        return day in self.days and not (day - one in self.days and day + one in self.days)

    def due_on(self, ends_at: datetime) -> date:
        """A lesson comes due at the first day-close hour, of any calendar day, that is at least 24
        hours after its end."""
        if ends_at not in self._due:
            earliest = ends_at.astimezone(UTC) + timedelta(hours=24)
            day = self.local_date(earliest)
            closes = datetime.combine(day, self.day_close, self.zone)
            in_time = closes.astimezone(UTC) >= earliest
            self._due[ends_at] = day if in_time else day + timedelta(days=1)
        return self._due[ends_at]

    def bus_delayed(self, bus: str, starts_at: datetime) -> bool:
        """Did buses come late that day, this one among them or all, and before that hour?"""
        local = starts_at.astimezone(self.zone)
        return any(
            exact_date(delay["date"]) == local.date()
            and local.time() < exact_time(delay["before"])
            and (delay.get("buses") is None or bus in delay["buses"])
            for delay in self.delays
        )


def _terms(year: Plain) -> list[list[date]]:
    """The school days of each term."""
    off = [
        (exact_date(span["first"]), exact_date(span["last"])) for span in _some(year, "days_off")
    ]
    result = []
    for term in year["terms"]:
        days, day = [], exact_date(term["first"])
        while day <= exact_date(term["last"]):
            if day.weekday() < 5 and not any(first <= day <= last for first, last in off):
                days.append(day)
            day += timedelta(days=1)
        result.append(days)
    return result


# ---- rulebook.yaml -------------------------------------------------------------------------


class Rulebook:
    """The rulebook as it holds for one school."""

    def __init__(self, content: Plain, school: str) -> None:
        own = (content.get("schools") or {}).get(school) or {}
        # For that school the keys that it names replace the rulebook's.
        said = {**content, **own}
        clear_factor = exact(_or(said.get("clear_factor"), "0.8"))
        clear_after = int(_or(said.get("clear_after"), 10))
        self.cool_down = int(_or(said.get("cool_down"), 0))
        self.handover: Plain | None = said.get("handover")
        rules = _rules(content["rules"], _some(own, "rules"))
        self.named = {rule["id"]: Rule(rule, clear_factor, clear_after) for rule in rules}
        self.active = [rule for rule in self.named.values() if rule.enabled]

    @property
    def of_pupils(self) -> list["Rule"]:
        """Rules judged per pupil in the order of a close: on registrations alone, then good news
        and those on a case."""
        own = [rule for rule in self.active if not rule.units]
        late = [rule for rule in own if rule.on_case or rule.good_news]
        return [rule for rule in own if rule not in late] + late

    def of_unit(self, kind_of_unit: str) -> list["Rule"]:
        return [rule for rule in self.active if kind_of_unit in rule.units]


class Rule:
    """A rule with its school's changes."""

    def __init__(self, content: Plain, clear_factor: Fraction, clear_after: int) -> None:
        self.id: str = content["id"]
        self.levels: dict[int, Plain] = content["levels"]
        self.enabled = content.get("enabled") is not False
        self.shadow = bool(content.get("shadow"))
        self.good_news = bool(content.get("good_news"))
        self.on_event = content.get("evaluate") == "on_event"
        self.damps: tuple[str, ...] = tuple(content.get("damps") or ())
        # The kinds of units that it is judged per; none: per pupil.
        self.units: tuple[str, ...] = tuple(content.get("units") or ())
        # Both at the top and, where given, per rule.
        self.clear_factor = exact(_or(content.get("clear_factor"), clear_factor))
        self.clear_after = int(_or(content.get("clear_after"), clear_after))

        leaves = [leaf for condition in self.levels.values() for leaf in _leaves(condition)]
        # A case rule is one that names a case figure.
        self.on_case = any(leaf["indicator"] in CASE_FIGURES for leaf in leaves)
        # A pupil rule, not good news, no level of which names a case figure. One in shadow is not
        # ordinary either.
        self.ordinary = not (self.units or self.good_news or self.shadow or self.on_case)

        # What it tells is that nobody has answered: to be told of it asks for no answer of its own.
        self.reminds = any(leaf["indicator"] == "unanswered" for leaf in leaves)

        # One with a share or rate in any level needs 10 days and coverage 0.9, either set per
        # rule; others need neither.
        rate = any(leaf["indicator"] in RATES for leaf in leaves)
        given = content.get("needs") or {}
        self.need_days = int(_or(given.get("days"), 10 if rate else 0))
        self.need_coverage = exact(_or(given.get("coverage"), "0.9" if rate else 0))
        self.need_windows = {span for leaf in leaves for span in _need_windows(leaf)}


def _rules(rules: list[Plain], changes: list[Plain]) -> list[Plain]:
    """The rules with what a school has otherwise; one that the rulebook hasn't is added."""
    own = {change["id"]: change for change in changes}
    result = [_changed(rule, own.pop(rule["id"], {})) for rule in rules]
    return result + [_changed({}, change) for change in own.values()]


def _changed(rule: Plain, change: Plain) -> Plain:
    """The named keys replace the rule's. `levels` and `audience` merge level by level: a level
    that is given replaces that level, null takes it away."""
    result = {**rule, **change}
    for key in ("levels", "audience"):
        both = {**_by_number(rule.get(key)), **_by_number(change.get(key))}
        result[key] = {level: each for level, each in sorted(both.items()) if each is not None}
    return result


def _by_number(levels: Plain | None) -> dict[int, Any]:
    """JSON makes text of numbers that are keys."""
    return {int(level): each for level, each in (levels or {}).items()}


def _leaves(condition: Plain) -> Iterator[Plain]:
    """Its thresholds, from left to right."""
    parts = [*_some(condition, "all"), *_some(condition, "any")]
    if not parts:
        yield condition
    for part in parts:
        yield from _leaves(part)


def _need_windows(leaf: Plain) -> Iterator[int | str]:
    """The windows that a threshold names: `days` as so many school days, `term` or `year`; a rise
    names N and 3N."""
    if leaf.get("days") is None or leaf["indicator"] in WITHOUT_NEEDS:
        return
    yield leaf["days"]
    if leaf["indicator"] in ("rise", "rise_ratio"):
        yield 3 * leaf["days"]


def kind(condition: Plain) -> str | None:
    """What the condition says, or what it means when it says nothing."""
    silent = {"absence_share": "all", "first_last_misses": "first"}
    return condition.get("kind") or silent.get(condition["indicator"])


# ---- Plain values --------------------------------------------------------------------------


def exact_date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def exact_time(value: object) -> time:
    return value if isinstance(value, time) else time.fromisoformat(str(value))


def exact_instant(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def exact(value: object) -> Fraction:
    """A number as it is written: 0.1 is a tenth and not the nearest float."""
    return value if isinstance(value, Fraction) else _fraction(str(value))


@cache
def _fraction(number: str) -> Fraction:
    return Fraction(number)


def _or(value: Any, left_out: Any) -> Any:
    return left_out if value is None else value


def _some(content: Plain, key: str) -> list[Plain]:
    return list(content.get(key) or ())
