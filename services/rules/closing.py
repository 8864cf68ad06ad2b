"""What is measured and judged when days close: today for all pupils, and past days where asked.

Schools that close the same day by the same calendar and rulebook are measured together: numpy
takes about as long for fifty pupils as for five hundred.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np

from services.rules.case_figures import (
    OnRecord,
    findings,
    oldest_open,
    on_record,
    relapses,
    unanswered,
)
from services.rules.daybook import Daybook
from services.rules.deciding import IN_ORDER, deciding_lessons
from services.rules.engine import Engine, Judgement, Pair
from services.rules.evidence import Named, Seen
from services.rules.indicators import COVERAGE, MEASURED, Figures, measure, ratio_of
from services.rules.judges import Judges
from services.rules.pupil import (
    CORRECTION_DAYS,
    Pupil,
    SchoolDays,
    is_sensitive,
    measured_lessons,
)
from services.rules.strips import Column, Strips, of_all, of_columns
from shared.calendar import SchoolCalendar
from shared.indicators import INDICATORS, FigureKey
from shared.rulebook import Rule

_AT_ONCE = 500
"""Past days judged at a time: some 20 MB of strips."""


class DayClose(NamedTuple):
    """A school's day that closes, or is still open, and what it and earlier days are judged by."""

    day: date
    history: bool
    rulebook: str
    calendar: SchoolCalendar
    calendar_since: date
    """The first day that was closed by this calendar."""
    missed: frozenset[date]
    """School days that nobody closed: judged with the others when something is corrected."""
    judges: Judges
    judges_on: Callable[[date], Judges]
    """The rulebook that was in force on a day."""
    judges_before: Callable[[str], Judges | None]
    """The last rulebook in force that had a rule which is gone or disabled now."""

    def rule_and_judges(self, rule: str, decided_on: date) -> tuple[Rule | None, Judges | None]:
        """A rule as it is now, else as it last was, and the rulebook that decided on a day."""
        now = self.judges.rules.get(rule)
        if now is None:
            before = self.judges_before(rule)
            return (before.rules[rule] if before else None), before
        return now, self.judges if decided_on == self.day else self.judges_on(decided_on)


class Part(NamedTuple):
    """One school of those that close together."""

    school: str
    at: DayClose
    book: Daybook
    days: SchoolDays
    pupils: Sequence[Pupil]
    """By slot."""
    first: int = 0
    """The column of its first pupil."""


class Asked(NamedTuple):
    """A pupil's day."""

    part: Part
    pupil: Pupil
    day: date

    @property
    def column(self) -> int:
        """Of the pupil, among all of whom a day closes."""
        return self.part.first + self.pupil.slot


class Wanted(NamedTuple):
    """A pupil and the rules to be judged anew, if what stands of them was corrected."""

    asked: Asked
    corrected: int | None
    rules: Sequence[str]


class Found(NamedTuple):
    """What was measured and judged of a pupil's day, in some column of many."""

    asked: Asked
    engine: Engine
    strips: Strips
    column: int
    figures: Mapping[FigureKey, Figures]
    judgement: Judgement


class Closing:
    """The figures and judgements of one day that some schools close."""

    def __init__(self, parts: Sequence[Part]) -> None:
        first = parts[0].at
        self._day, self._calendar, self.judges = first.day, first.calendar, first.judges
        self.parts: list[Part] = []
        self._count = 0
        for part in parts:
            self.parts.append(part._replace(first=self._count))
            self._count += len(part.pupils)
        self._past: dict[tuple[int, date, Engine], Found] = {}
        self._case: list[Judgement] | None = None

    @property
    def _all(self) -> list[Asked]:
        return [Asked(part, pupil, self._day) for part in self.parts for pupil in part.pupils]

    @cached_property
    def _strips(self) -> Strips:
        schools = [
            (part.book, np.array([pupil.enrolled for pupil in part.pupils], np.int64))
            for part in self.parts
        ]
        return of_all(schools, self._calendar, self._day)

    @cached_property
    def _figures(self) -> dict[FigureKey, Figures]:
        judges = self.judges
        return measure(self._strips, _measurable({*judges.plain.figures, *judges.case.figures}))

    @cached_property
    def plain(self) -> list[Judgement]:
        """By column, what the rules on registrations say of today."""
        found = self.judges.plain.judge_all(self._figures, self._count)
        if self.judges.rulebook.handover is None:
            return found
        columns = [asked.column for asked in self._all if self.is_lowered(asked)]
        if columns:
            figures = _taken(self._figures, columns)
            lowered = self.judges.lowered.judge_all(figures, len(columns))
            for column, judgement in zip(columns, lowered, strict=True):
                found[column] = judgement
        return found

    def case(self) -> list[Judgement]:
        """By column, what the rules on cases say of today, by what stands when first asked."""
        if self._case is None:
            engine = self.judges.case
            self._figures.update(self._case_figures(engine.figures, self._all, self._figures))
            self._case = engine.judge_all(self._figures, self._count)
        return self._case

    def is_lowered(self, asked: Asked) -> bool:
        """Does the handover lower thresholds for the pupil on that day?"""
        handover = asked.part.at.judges_on(asked.day).rulebook.handover
        return is_sensitive(asked.pupil, asked.day, handover, self._calendar)

    def anew(
        self, wanted: Iterable[Wanted], *, on_case: bool
    ) -> dict[tuple[int, str], dict[int, int]]:
        """The level of each school day of what stands, as it is known now, by column and rule.

        A day without enough data, or beyond the correction horizon, keeps the level it had; so
        does one before the earliest that was corrected, since nothing it is judged by has
        changed, unless it has not been judged yet.
        """
        calendar, today = self._calendar, self._day
        oldest = calendar.horizon(today, CORRECTION_DAYS) or date.min
        plan: list[tuple[Wanted, str, tuple[date, ...], set[date]]] = []
        for each in wanted:
            at, corrected = each.asked.part.at, each.corrected
            for rule in each.rules:
                finding = each.asked.pupil.findings.get(rule)
                if finding is None or (corrected is None and not finding.early):
                    continue
                first = date.fromordinal(max(finding.levels) if corrected is None else corrected)
                if corrected is not None and at.calendar_since > finding.since:
                    first = finding.since
                days = calendar.between(finding.since, today)
                again = {
                    day for day in days if day >= oldest and (day >= first or day in at.missed)
                }
                plan.append((each, rule, days, again))
        past = [
            each.asked._replace(day=day)
            for each, _, _, again in plan
            for day in sorted(again - {today})
        ]
        self._judge_past(
            {(asked.column, asked.day): asked for asked in past}.values(),
            {rule for _, rule, _, _ in plan},
            on_case=on_case,
        )
        found: dict[tuple[int, str], dict[int, int]] = {}
        for each, rule, days, again in plan:
            held = each.asked.pupil.findings[rule].levels
            levels = found[each.asked.column, rule] = {}
            for day in days:
                level = None
                if day in again:
                    level = self._level(each.asked._replace(day=day), rule, on_case=on_case)
                ordinal = day.toordinal()
                levels[ordinal] = held.get(ordinal, 0) if level is None else level
        return found

    def level_today(self, asked: Asked, rule: str) -> int | None:
        """The level of a rule in force that holds for a pupil today; None: not enough data."""
        on_case = rule in self.judges.case.rules
        return (self.case() if on_case else self.plain)[asked.column].level(rule)

    def seen(self, asked: Asked, judges: Judges, rule: str) -> tuple[Engine, Seen]:
        """What was measured of a pupil's day for a rule, and the engine that judged it."""
        on_case = rule in judges.case.rules
        engine = judges.case if on_case else self._plain_engine(judges, asked)
        found = self._past.get((asked.column, asked.day, engine))
        if found is None and judges is self.judges and asked.day == self._day:
            column = asked.column
            judgement = (self.case() if on_case else self.plain)[column]
            found = Found(asked, engine, self._strips, column, self._figures, judgement)
        if found is None:
            (found,) = self.find([asked], engine)
        return engine, self.evidence(found)

    def evidence(self, found: Found) -> Seen:
        """What a step may tell of a column."""
        strip = found.strips.column(found.column)

        def value(key: FigureKey) -> Pair | None:
            figures, column = found.figures.get(key), found.column
            if figures is None:
                if key.indicator not in (COVERAGE, *MEASURED):
                    return None
                figures, column = measure(strip, [key])[key], 0
            under = int(figures.under[column])
            return (int(figures.over[column]), under) if under else None

        def behind(key: FigureKey) -> Named:
            ordered = key.indicator in IN_ORDER
            part, pupil, _ = found.asked
            lessons = measured_lessons(pupil, part.days, all_of_them=ordered)
            return tuple(deciding_lessons(strip, lessons, key))

        return Seen(value, found.judgement, self._calendar, behind)

    def find(
        self, asked: Sequence[Asked], engine: Engine, rules: Collection[str] | None = None
    ) -> list[Found]:
        """Measure and judge some pupils' days; what is said of other rules than `rules` is void."""
        strips = self._strips_of(asked)
        keys = frozenset(engine.figures)
        if rules is not None:
            keys = engine.figures_of(each for each in rules if each in engine.rules)
        figures = measure(strips, _measurable(keys))
        figures.update(self._case_figures(keys, asked, figures))
        nothing = np.zeros(len(asked), np.int64)
        unasked = dict.fromkeys(engine.figures, Figures(nothing, nothing))
        judged = engine.judge_all(unasked | figures, len(asked))
        return [
            Found(each, engine, strips, column, figures, judgement)
            for column, (each, judgement) in enumerate(zip(asked, judged, strict=True))
        ]

    def _strips_of(self, asked: Iterable[Asked]) -> Strips:
        columns = [Column(part.book, pupil.slot, pupil.enrolled, day) for part, pupil, day in asked]
        return of_columns(columns, self._calendar)

    def _plain_engine(self, judges: Judges, asked: Asked) -> Engine:
        return judges.lowered if self.is_lowered(asked) else judges.plain

    def _engine_on(self, asked: Asked, *, on_case: bool) -> Engine:
        judges = asked.part.at.judges_on(asked.day)
        return judges.case if on_case else self._plain_engine(judges, asked)

    def _level(self, asked: Asked, rule: str, *, on_case: bool) -> int | None:
        if asked.day == self._day:
            return self.level_today(asked, rule)
        engine = self._engine_on(asked, on_case=on_case)
        return self._past[asked.column, asked.day, engine].judgement.level(rule)

    def _judge_past(
        self, wanted: Iterable[Asked], rules: Collection[str], *, on_case: bool
    ) -> None:
        groups: dict[Engine, list[Asked]] = defaultdict(list)
        for asked in wanted:
            groups[self._engine_on(asked, on_case=on_case)].append(asked)
        for engine, group in groups.items():
            for start in range(0, len(group), _AT_ONCE):
                part = group[start : start + _AT_ONCE]
                for asked, found in zip(part, self.find(part, engine, rules), strict=True):
                    self._past[asked.column, asked.day, engine] = found

    # -- figures of the case

    def _case_figures(
        self,
        wanted: Iterable[FigureKey],
        asked: Sequence[Asked],
        figures: Mapping[FigureKey, Figures],
    ) -> dict[FigureKey, Figures]:
        keys = [key for key in wanted if key.indicator in _OF_CASES]
        if not keys:
            return {}
        count = len(asked)
        found = {
            key: Figures(
                np.zeros(count, np.int64),
                np.full(count, key.indicator != "improvement", np.int64),
            )
            for key in keys
        }
        longest = max(int(key.days) for key in keys)
        since = {day: self._first(day, longest) for day in {each.day for each in asked}}
        standing: list[tuple[int, Asked, list[OnRecord]]] = []
        for place, each in enumerate(asked):
            if each.pupil.has_case:
                ordinary = each.part.at.judges_on(each.day).ordinary
                records = on_record(each.pupil, ordinary, since[each.day])
                standing += [(place, each, records)] if records else []
        places = [place for place, _, _ in standing]
        for key in keys:
            if key.indicator == "improvement":
                self._improvement(key, standing, figures, found[key])
            elif standing:
                pairs = [
                    self._case_figure(key, each, records, figures, place)
                    for place, each, records in standing
                ]
                found[key].over[places], found[key].under[places] = zip(*pairs, strict=True)
        return found

    def _first(self, day: date, days: int) -> int:
        """The ordinal of the first day of a window; 0: it has none."""
        window = self._calendar.window(day, days)
        return window[0].toordinal() if window else 0

    def _case_figure(
        self,
        key: FigureKey,
        asked: Asked,
        records: Sequence[OnRecord],
        figures: Mapping[FigureKey, Figures],
        place: int,
    ) -> Pair:
        _, pupil, day = asked
        if key.indicator == "findings":
            return findings(records, key, day, self._calendar), 1
        if key.indicator == "unanswered":
            kinds = asked.part.at.judges_on(day)
            return unanswered(pupil, records, kinds, day, self._calendar), 1
        if relapses(records, int(key.days), day, self._calendar):
            share = figures[_share_of(key)]
            return int(share.over[place]), int(share.under[place])
        return 0, 1

    def _improvement(
        self,
        key: FigureKey,
        standing: Sequence[tuple[int, Asked, Sequence[OnRecord]]],
        figures: Mapping[FigureKey, Figures],
        found: Figures,
    ) -> None:
        """The share now over that on the day on which the oldest open finding opened."""
        days = int(key.days)
        opened = [
            (place, asked, oldest)
            for place, asked, records in standing
            if (oldest := oldest_open(records, asked.day.toordinal()))
        ]
        missing = {
            (asked.column, since): asked._replace(day=date.fromordinal(since))
            for _, asked, since in opened
            if (since, days) not in asked.pupil.base
        }
        if missing:
            strips = self._strips_of(missing.values())
            base = measure(strips, [_share_of(key)])[_share_of(key)]
            for column, each in enumerate(missing.values()):
                pair = int(base.over[column]), int(base.under[column])
                each.pupil.base[each.day.toordinal(), days] = pair
        places = [place for place, _, _ in opened]
        pairs = [asked.pupil.base[since, days] for _, asked, since in opened]
        # Of a base of nothing missed there is no improving.
        over = np.array([pair[0] for pair in pairs], np.int64)
        under = np.array([pair[1] if pair[0] else 0 for pair in pairs], np.int64)
        now = figures[_share_of(key)]
        share = ratio_of(Figures(now.over[places], now.under[places]), Figures(over, under))
        found.over[places], found.under[places] = share


_OF_CASES = frozenset(name for name, known in INDICATORS.items() if known.of == "case")


def _share_of(key: FigureKey) -> FigureKey:
    return FigureKey("absence_share", key.days, "all")


def _measurable(wanted: Iterable[FigureKey]) -> set[FigureKey]:
    """The figures to be measured on strips; those of cases are made of some of them."""
    keys: set[FigureKey] = set()
    for key in wanted:
        if key.indicator not in _OF_CASES:
            keys.add(key)
        elif key.indicator in ("relapse", "improvement"):
            keys.add(_share_of(key))
    return keys


def _taken(figures: Mapping[FigureKey, Figures], columns: list[int]) -> dict[FigureKey, Figures]:
    return {key: Figures(over[columns], under[columns]) for key, (over, under) in figures.items()}
