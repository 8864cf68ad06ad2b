"""How well a rulebook finds: its signals against the truth of simulated pupils.

A rulebook that speaks of everybody finds everybody. Two figures therefore belong together: how
many of those who slide are found, and how soon; and how often it speaks of ordinary pupils.

A *signal* is a change at level 2 or more, where staff are told: a finding opened or raised by a
pupil's rule that is neither tried in the shadow nor good news.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any

from services.ingest.simulated import Truth
from shared.calendar import SchoolCalendar
from shared.events import CaseStep, StepKind

PUPILS_PER_TEACHER = 20
"""Pupils of one contact teacher, whose patience noise is measured by."""

LEAST_LEVEL = 2
_WEEK = 5
_NEW = frozenset({StepKind.OPENED, StepKind.RAISED})


@dataclass(frozen=True)
class Found:
    """Of the pupils who slide: how many there are, and how soon those who were found were."""

    sliding: int
    delays: tuple[int, ...]
    """Of each found pupil the school days from onset (0: that day) to the first signal; sorted."""

    @property
    def share(self) -> float | None:
        """From 0 to 1; None when nobody slides."""
        return len(self.delays) / self.sliding if self.sliding else None

    @property
    def median_days(self) -> float | None:
        """School days from onset to the first signal; None when nobody was found."""
        return float(median(self.delays)) if self.delays else None

    @property
    def as_json(self) -> dict[str, Any]:
        """The figures under the names that programs read them by."""
        return {
            "sliding": self.sliding,
            "found": len(self.delays),
            "share": self.share,
            "median_days": self.median_days,
        }


@dataclass(frozen=True)
class Score:
    """What a rulebook's signals were worth."""

    kinds: Mapping[str, Found]
    """By how the pupils slide, in alphabetical order."""
    noise_signals: Mapping[str, int]
    """By rule: signals about ordinary pupils; the most first."""
    teacher_weeks: float
    """Contact teachers times weeks of five school days."""

    @property
    def found(self) -> Found:
        """All who slide, of whatever kind."""
        delays = sorted(days for each in self.kinds.values() for days in each.delays)
        return Found(sum(each.sliding for each in self.kinds.values()), tuple(delays))

    @property
    def noise(self) -> float:
        """Signals about ordinary pupils, per contact teacher and week."""
        return sum(self.noise_by_rule.values())

    @property
    def noise_by_rule(self) -> dict[str, float]:
        """The same by rule; the noisiest first."""
        weeks = self.teacher_weeks
        return {rule: count / weeks if weeks else 0.0 for rule, count in self.noise_signals.items()}

    @property
    def as_json(self) -> dict[str, Any]:
        """The figures of all who slide, with those of each kind and the noise of each rule."""
        return {
            **self.found.as_json,
            "noise": self.noise,
            "kinds": {kind: found.as_json for kind, found in self.kinds.items()},
            "noise_by_rule": self.noise_by_rule,
        }


def score(
    steps: Iterable[CaseStep],
    truth: Iterable[Truth],
    calendar: SchoolCalendar,
    *,
    days: int,
    pupils_per_teacher: int = PUPILS_PER_TEACHER,
) -> Score:
    """Score the steps of `days` school days against all the pupils they were about.

    A pupil who slides is found by the first signal on or after the onset; one before it counts
    neither way, nor does one about a pupil whom `truth` doesn't name.
    """
    everybody = {(who.school, who.pupil): who for who in truth}
    first: dict[tuple[str, str], date] = {}
    noise: Counter[str] = Counter()
    for step in filter(is_signal, steps):
        key = (step.school, step.pupil)
        who = everybody.get(key)
        if who is None:
            continue
        if who.onset is None:
            noise[step.rule] += 1
        elif step.as_of >= who.onset:
            first[key] = min(step.as_of, first.get(key, step.as_of))
    sliding: Counter[str] = Counter()
    delays: defaultdict[str, list[int]] = defaultdict(list)
    for key, who in everybody.items():
        if who.onset is not None:
            sliding[who.kind] += 1
            if key in first:
                delays[who.kind].append(calendar.distance(who.onset, first[key]))
    return _score(sliding, delays, noise, len(everybody) / pupils_per_teacher * days / _WEEK)


def is_signal(step: CaseStep) -> bool:
    """Is a step one that staff are told of as new?"""
    of_a_pupil = bool(step.pupil) and not (step.unit or step.shadow or step.good_news)
    return of_a_pupil and step.kind in _NEW and step.level >= LEAST_LEVEL


def pooled(scores: Iterable[Score]) -> Score:
    """The score of several cohorts together."""
    sliding: Counter[str] = Counter()
    delays: defaultdict[str, list[int]] = defaultdict(list)
    noise: Counter[str] = Counter()
    weeks = 0.0
    for each in scores:
        for kind, found in each.kinds.items():
            sliding[kind] += found.sliding
            delays[kind] += found.delays
        noise.update(each.noise_signals)
        weeks += each.teacher_weeks
    return _score(sliding, delays, noise, weeks)


def lines_of(told: Score) -> Iterator[str]:
    """The score in words: what was found by kind, and the noise by rule."""
    rows = {"all who slide": told.found, **told.kinds}
    yield f"{'found after their onset':26}{'pupils':>12}{'share':>8}{'median days':>13}"
    for kind, found in rows.items():
        share = "–" if found.share is None else f"{found.share:.0%}"
        days = "–" if found.median_days is None else f"{found.median_days:g}"
        pupils = f"{len(found.delays)} of {found.sliding}"
        yield f"  {kind:24}{pupils:>12}{share:>8}{days:>13}"
    yield "signals about ordinary pupils, per contact teacher and week"
    for rule, noise in {"all rules": told.noise, **told.noise_by_rule}.items():
        yield f"  {rule:24}{noise:>12.3f}"


def _score(
    sliding: Mapping[str, int],
    delays: Mapping[str, list[int]],
    noise: Counter[str],
    teacher_weeks: float,
) -> Score:
    return Score(
        {
            kind: Found(sliding[kind], tuple(sorted(delays.get(kind, ()))))
            for kind in sorted(sliding)
        },
        dict(noise.most_common()),
        teacher_weeks,
    )
