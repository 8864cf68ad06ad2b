"""Why a pupil is, or is not, signalled on a day: all that the rules see, beside their limits.

Everything is asked of the fold itself: figures come from the strips that a close measures,
whether a level holds from the engine that judges it. Only whether a single figure reaches a
single limit is compared here, exactly, to be shown.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from fractions import Fraction
from math import ceil
from typing import NamedTuple, Protocol

from services.rules.case import Ended, Finding
from services.rules.case_figures import on_record, waiting_since
from services.rules.closing import Asked, Closing
from services.rules.engine import Engine, eased
from services.rules.evidence import Seen, clearing_words
from services.rules.explain_days import STRIP_DAYS, strip_of
from services.rules.explanation import (
    Answered,
    Deadline,
    Explanation,
    Join,
    Level,
    Need,
    Open,
    Over,
    RuleSeen,
    Threshold,
    Told,
    Who,
    Why,
)
from services.rules.indicators import COUNTING_DAYS, COVERAGE
from services.rules.partition import Partition
from services.rules.pupil import CORRECTION_DAYS, Pupil, is_sensitive
from services.rules.window import Lessons
from shared.calendar import SchoolCalendar
from shared.events import AnswerKind, CaseStep, Figure, StepKind
from shared.indicators import FigureKey, Span
from shared.rulebook import Audience, Condition, Rule

_PLACES = 12


class Held(Protocol):
    """One pupil, as a replay or a living partition has them."""

    @property
    def partition(self) -> Partition: ...
    @property
    def school(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def pupil(self) -> Pupil | None: ...
    @property
    def lessons(self) -> Lessons: ...
    @property
    def steps(self) -> Sequence[CaseStep]: ...
    @property
    def known_on(self) -> date | None: ...
    @property
    def over(self) -> bool: ...


class ExplainError(ValueError):
    """There is nothing to explain; says why, and what to ask instead."""


def explain(
    replay: Held,
    as_of: date | None = None,
    *,
    closing: Closing | None = None,
    brief: bool = False,
) -> Explanation:
    """What is seen of a pupil on a day; left out: the newest closed one.

    A date that is no school day stands for the school day before. `closing`: what is measured of
    that day for the pupil's school, where it is known already. `brief`: of the rules only those
    that are open or hold. Raises `ExplainError` when there is no such pupil or day.
    """
    pupil, school = replay.pupil, replay.partition.schools.get(replay.school)
    whom = f"{replay.school}/{replay.name}"
    if pupil is None or school is None:
        known = "" if replay.known_on is None else f" up to the close of {replay.known_on}"
        raise ExplainError(f"nothing is known of a pupil {whom}{known}; wanted SCHOOL/PUPIL")
    time = replay.partition.memory.schools.get(replay.school)
    closed = None if time is None else time.closed
    if time is None or closed is None:
        known = "" if replay.known_on is None else f" on or before {replay.known_on}"
        raise ExplainError(f"no day of {replay.school} has been closed{known}; nothing is judged")
    day = school_day_of(school.days.calendar, as_of or closed, closed)
    if closing is None:
        closing = measured_on(replay.partition, replay.school, day)
    at = closing.parts[0].at
    since = max(
        (e.first for e in time.rulebooks if e.first <= day), default=time.rulebooks[0].first
    )
    found = _Explained(replay, pupil, closing, closed)
    return Explanation(
        school=replay.school,
        pupil=replay.name,
        as_of=day,
        closed=day <= closed,
        known_on=closed,
        complete=not replay.over,
        rulebook=at.rulebook,
        rulebook_since=since,
        calendar=time.calendar,
        calendar_since=time.calendar_since,
        who=found.who(),
        strip=list(strip_of(replay.lessons, school, pupil, at, closed)),
        rules=found.rules(brief=brief),
        open=found.open(),
        ended=found.ended(),
    )


def measured_on(partition: Partition, school: str, day: date) -> Closing:
    """What is measured of a school's day, for all of its pupils, once somebody asks.

    Raises `ExplainError` when no day of the school has been closed.
    """
    at = partition.on_day(school, day)
    if at is None:
        raise ExplainError(f"no day of {school} has been closed; nothing is judged")
    return Closing([partition.schools[school].part(at)])


def school_day_of(calendar: SchoolCalendar, asked: date, closed: date) -> date:
    """The school day asked for, or the one before; `ExplainError` where it can't be judged."""
    window = calendar.window(asked, 1)
    if not window:
        raise ExplainError(f"no school day lies on or before {asked}")
    (day,) = window
    if calendar.distance(closed, day) > 1:
        coming = calendar.after(closed, 1)
        raise ExplainError(f"{asked} is yet to come; the newest day to ask for is {coming}")
    oldest = calendar.horizon(closed, CORRECTION_DAYS)
    kept = oldest and calendar.year_start(oldest)
    if kept and day < kept:
        raise ExplainError(
            f"as known on {closed}, days before {kept} are no longer added up; "
            f"ask what was known then, with --known-on {day}"
        )
    return day


class _Explained:
    """The parts that are asked of one pupil's day."""

    def __init__(self, replay: Held, pupil: Pupil, closing: Closing, closed: date) -> None:
        self._replay = replay
        self._pupil = pupil
        self._closing = closing
        self._at = at = closing.parts[0].at
        self._newest = at.day >= closed
        # What a rule that doesn't wait for the close has opened since then is open too.
        self._last = date.max.toordinal() if self._newest else at.day.toordinal()
        self._levels = self._open_levels()

    # -- rules

    def rules(self, *, brief: bool) -> list[RuleSeen]:
        found = [self._rule(rule, brief) for rule in self._at.judges.rules.values()]
        return sorted(filter(None, found), key=lambda each: (-each.open_level, -(each.holds or 0)))

    def _rule(self, rule: Rule, brief: bool) -> RuleSeen | None:
        if rule.units:
            return None
        asked = Asked(self._closing.parts[0], self._pupil, self._at.day)
        open_level, holds = self._levels.get(rule.id, 0), self._closing.level_today(asked, rule.id)
        if brief and not open_level and not holds:
            return None
        engine, seen = self._closing.seen(asked, self._at.judges, rule.id)
        judged = _Judged(rule, engine, seen)
        return RuleSeen(
            rule=rule.id,
            title=rule.title.model_dump(),
            good_news=rule.good_news,
            shadow=rule.shadow,
            open_level=open_level,
            holds=holds,
            quiet=seen.judgement.quiet(rule.id),
            needs=list(judged.needs()),
            levels=list(judged.levels()),
        )

    # -- findings

    def _open_levels(self) -> dict[str, int]:
        """The level of each finding that is open as of the day, as it is known now."""
        last = self._last
        levels = {
            rule: max((held for day, held in each.levels.items() if day <= last), default=0)
            for rule, each in self._pupil.findings.items()
            if each.since.toordinal() <= last
        }
        for each in self._pupil.ended:
            if each.cleared and each.since <= last < each.on:
                levels[each.rule] = _highest(each, last)
        return {rule: level for rule, level in levels.items() if level}

    def open(self) -> list[Open]:
        found = [self._open(rule, level) for rule, level in self._levels.items()]
        return sorted(found, key=lambda each: (each.good_news, -each.level, each.since, each.rule))

    def _open(self, rule_id: str, level: int) -> Open:
        rule, judges = self._at.rule_and_judges(rule_id, self._at.day)
        step = self._newest_step(rule_id)
        finding = self._pupil.findings.get(rule_id)
        words: dict[str, str] = {} if step is None else step.clearing.words
        clear_after = 1 if step is None else step.clearing.quiet_days
        if rule is not None and judges is not None:
            asked = Asked(self._closing.parts[0], self._pupil, self._at.day)
            engine, _ = self._closing.seen(asked, judges, rule_id)
            clear_after = engine.clear_after[rule_id]
            words = clearing_words(engine, rule_id)
        held = None if step is None else step.held_until
        return Open(
            rule=rule_id,
            title=self._title(rule_id),
            good_news=self._is_good_news(rule_id),
            shadow=bool(rule and rule.shadow),
            level=level,
            since=self._since(rule_id),
            quiet_days=finding.quiet if finding is not None and self._newest else None,
            clear_after=clear_after,
            held_until=held if held is not None and held >= self._at.day else None,
            audience=list(rule.audience_at(level)) if rule else [],
            decided=None if step is None else step.as_of,
            words={} if step is None else step.words,
            clearing=words,
        )

    def _since(self, rule_id: str) -> date:
        finding: Finding | None = self._pupil.findings.get(rule_id)
        if finding is not None and finding.since.toordinal() <= self._last:
            return finding.since
        return date.fromordinal(
            max(
                each.since
                for each in self._pupil.ended
                if each.rule == rule_id and each.cleared and each.since <= self._last < each.on
            )
        )

    def _newest_step(self, rule_id: str) -> CaseStep | None:
        """What was told last of the finding that is open."""
        newest = None
        for each in self._replay.steps:
            if each.rule == rule_id and each.as_of.toordinal() <= self._last:
                ends = each.kind is StepKind.CLEARED or each.remaining == 0
                newest = None if ends else each
        return newest

    def _title(self, rule_id: str) -> dict[str, str]:
        """Of a rule that is gone, as its steps told it."""
        rule, _ = self._at.rule_and_judges(rule_id, self._at.day)
        if rule is not None:
            return rule.title.model_dump()
        told = (each.title for each in reversed(self._replay.steps) if each.rule == rule_id)
        return next(told, {"sv": rule_id, "en": rule_id})

    def _is_good_news(self, rule_id: str) -> bool:
        rule, _ = self._at.rule_and_judges(rule_id, self._at.day)
        return bool(rule and rule.good_news)

    def ended(self) -> list[Over]:
        """What ended within the strip's days, the newest first."""
        window = self._at.calendar.window(self._at.day, STRIP_DAYS)
        first, last = window[0].toordinal(), self._at.day.toordinal()
        found = [
            Over(
                rule=each.rule,
                title=self._title(each.rule),
                good_news=self._is_good_news(each.rule),
                level=_highest(each, each.on),
                since=date.fromordinal(each.since),
                on=date.fromordinal(each.on),
                cleared=each.cleared,
            )
            for each in self._pupil.ended
            if first <= each.on <= last
        ]
        return sorted(found, key=lambda each: (each.on, each.rule), reverse=True)

    # -- people

    def who(self) -> Who:
        pupil, day = self._pupil, self._at.day
        ordinal = day.toordinal()
        handover = self._at.judges.rulebook.handover
        sensitive = is_sensitive(pupil, day, handover, self._at.calendar)
        enrolment = pupil.enrolment
        enrolled = enrolment.enrolled if enrolment else None
        until = None
        if sensitive and handover is not None and enrolled is not None:
            begun = self._at.calendar.between(enrolled, date.max)
            until = begun[: handover.days][-1]
        answers = [each for each in pupil.answers if each.on <= ordinal or self._newest]
        told = [each for each in pupil.told if each.on <= ordinal or self._newest]
        responsible, why = self._responsible([(each.on, each.answer) for each in answers])
        waiting = self._waiting_since()
        return Who(
            school_class=pupil.school_class,
            enrolled=enrolled,
            sensitive=sensitive,
            sensitive_until=until,
            factor=_shown(Fraction(handover.factor)) if sensitive and handover else 1,
            responsible=responsible,
            why=why,
            told=[Told(on=date.fromordinal(each.on), recipient=each.recipient) for each in told],
            answers=[
                Answered(
                    on=date.fromordinal(each.on),
                    answer=each.answer,
                    by=each.by,
                    until=date.fromordinal(each.until) if each.until else None,
                )
                for each in answers
            ],
            waiting_since=waiting,
            deadline=None if waiting is None else self._deadline(waiting),
        )

    def _concerns(self) -> Iterator[tuple[Rule, int]]:
        """Open findings that are told to somebody and call for something."""
        for rule_id, level in self._levels.items():
            rule = self._at.judges.rules.get(rule_id)
            if rule is not None and not (rule.shadow or rule.good_news):
                yield rule, level

    def _responsible(self, answers: Sequence[tuple[int, AnswerKind]]) -> tuple[list[Audience], Why]:
        concerns = list(self._concerns())
        if not concerns:
            return [], "nothing_open"
        oldest = min(self._since(rule.id) for rule, _ in concerns).toordinal()
        said = {answer for on, answer in answers if on >= oldest}
        if "takes_over" in said:
            return ["eht"], "taken_over"
        if "lift" in said:
            return ["eht"], "lifted"
        known = {each for rule, level in concerns for each in rule.audience_at(level)}
        return sorted(known, key=_IN_ORDER.index), "audience"

    def _waiting_since(self) -> date | None:
        judges = self._at.judges
        records = on_record(self._pupil, judges.ordinary, 0)
        since = waiting_since(self._pupil, records, judges, self._at.day, self._at.calendar)
        return date.fromordinal(since) if since else None

    def _deadline(self, waiting_since: date) -> Deadline | None:
        waited = self._at.calendar.distance(waiting_since, self._at.day)
        coming = [
            (days, level, rule)
            for rule in self._at.judges.case.rules.values()
            for level, condition in rule.levels.items()
            for leaf in condition.leaves
            if leaf.indicator == "unanswered" and leaf.at_least is not None
            if (days := ceil(leaf.at_least)) > waited
        ]
        if not coming:
            return None
        days, level, rule = min(coming, key=lambda each: each[:2])
        return Deadline(
            on=self._at.calendar.after(waiting_since, days),
            after_days=days,
            level=level,
            audience=list(rule.audience_at(level)),
        )


_IN_ORDER: tuple[Audience, ...] = ("contact_teacher", "eht", "rektor", "admin", "coordinator")


def _highest(each: Ended, last: int) -> int:
    """The level that a finding had reached by a day."""
    return max((place for place, day in enumerate(each.reached, 1) if 0 < day <= last), default=0)


class _Judged(NamedTuple):
    """A rule, with the engine that judged it and what was measured."""

    rule: Rule
    engine: Engine
    seen: Seen

    def needs(self) -> Iterator[Need]:
        rule = self.rule
        if not (rule.need_days or rule.need_coverage):
            return
        for days in rule.windows:
            known, coverage = self._pair(COUNTING_DAYS, days), self._pair(COVERAGE, days)
            yield Need(
                days=days,
                counting_days=None if known is None else _shown(known),
                least_days=rule.need_days,
                coverage=None if coverage is None else _shown(coverage),
                least_coverage=_shown(Fraction(rule.need_coverage)),
                met=(known or 0) >= rule.need_days and (coverage or 0) >= rule.need_coverage,
            )

    def _pair(self, indicator: str, days: Span) -> Fraction | None:
        pair = self.seen.pair(FigureKey(indicator, days))
        return None if pair is None else Fraction(*pair)

    def levels(self) -> Iterator[Level]:
        holds = self.seen.judgement.level(self.rule.id)
        for level, condition in self.rule.levels.items():
            yield Level(
                level=level,
                holds=level == holds,
                audience=list(self.rule.audience_at(level)),
                thresholds=list(self._thresholds(condition)),
            )

    def _thresholds(
        self, condition: Condition, join: Join = "", depth: int = 0
    ) -> Iterator[Threshold]:
        """From left to right, with what joins them."""
        if condition.indicator is not None:
            yield self._threshold(condition, join, depth)
            return
        between: Join = "and" if condition.all else "or"
        for number, part in enumerate(condition.all or condition.any or ()):
            deeper = depth + (part.indicator is None)
            yield from self._thresholds(part, between if number else join, deeper)

    def _threshold(self, leaf: Condition, join: Join, depth: int) -> Threshold:
        scale, ease = self.engine.scale[self.rule.id], self.engine.ease[self.rule.id]
        pair = self.seen.pair(leaf.figure)
        value = None if pair is None else Fraction(*pair)
        limit = eased(leaf, scale)
        least = leaf.at_least is not None
        reached = value is not None and (value >= limit if least else value <= limit)
        shown, quiet = _shown(limit), _shown(eased(leaf, scale * ease))
        return Threshold(
            join=join,
            depth=depth,
            indicator=leaf.figure.indicator,
            kind=leaf.figure.kind or None,
            days=leaf.days,
            share=None if leaf.share is None else _shown(Fraction(leaf.share)),
            level=leaf.level,
            rules=list(leaf.rules or ()),
            value=None if value is None else _shown(value),
            coverage=self.seen.value(FigureKey(COVERAGE, leaf.days)) if leaf.days else None,
            at_least=shown if least else None,
            at_most=None if least else shown,
            eased_at_least=quiet if least else None,
            eased_at_most=None if least else quiet,
            reached=reached,
        )


def _shown(value: Fraction) -> Figure:
    """A number to be read; nothing compares it."""
    return int(value) if value.denominator == 1 else round(float(value), _PLACES)
