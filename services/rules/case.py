"""The life of a finding: opened, raised, retracted, cleared (DESIGN section 6, in its order).

Pure decisions on levels. What was measured, and by which rulebook, is settled by the caller.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from shared.events import StepKind

Reached = tuple[int, int, int, int]


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """An open finding: a rule that holds, or held, for a pupil or a unit."""

    level: int
    since: date
    levels: dict[int, int]
    """The level of each school day from `since` on, by its ordinal, as last judged; 0 left out."""
    quiet: int = 0
    """Quiet days in a row so far."""
    early: bool = False
    """Opened or raised before its day's close: the close judges that day anew."""
    reached: Reached = (0, 0, 0, 0)
    """For levels 1 to 4 the ordinal of the first day that was judged at it or more; 0: none."""


class Ended(msgspec.Struct, frozen=True, array_like=True):
    """A finding that is history."""

    rule: str
    since: int
    on: int
    """The ordinals of its first day and of the close that ended it."""
    cleared: bool
    """False: a correction took it away, so that it never was."""
    reached: Reached


def ended(rule: str, finding: Finding, on: date, *, cleared: bool) -> Ended:
    """What is remembered of a finding that ends."""
    return Ended(rule, finding.since.toordinal(), on.toordinal(), cleared, finding.reached)


def _reached(levels: Mapping[int, int]) -> Reached:
    one, two, three, four = (
        min((day for day, held in levels.items() if held >= level), default=0)
        for level in (1, 2, 3, 4)
    )
    return one, two, three, four


def _reaching(before: Reached, level: int, day: int) -> Reached:
    """As before, and `level` on a later day."""
    if before[level - 1]:
        return before
    one, two, three, four = (
        known or (day if place <= level else 0) for place, known in enumerate(before, 1)
    )
    return one, two, three, four


class Change(NamedTuple):
    """How a finding changed at one close; becomes a step."""

    kind: StepKind
    level: int
    since: date
    decided_on: date
    """The day whose figures decided it."""
    remaining: int | None = None


class Today(NamedTuple):
    """What the day that closes says of one rule."""

    date: date
    level: int | None
    """The level that holds, 0 for none; None: not enough data."""
    quiet: bool
    clear_after: int
    ends_school_year: bool


class Closed(NamedTuple):
    """What became of a finding at a close."""

    finding: Finding | None
    changes: list[Change]
    was: Finding | None
    """The finding as it last stood, when it ended."""


def close(finding: Finding | None, today: Today, anew: Mapping[int, int] | None) -> Closed:
    """Decide one rule at a day close.

    `anew`: when a correction concerns a closed day, the level of each school day from the
    finding's `since` to today, by its ordinal, as it is known now; else None.
    """
    changes: list[Change] = []
    was = finding
    if finding is None:
        finding = _open(today, changes)
    elif anew is not None:
        finding = _correct(finding, anew, today, changes)
    else:
        finding = _carry_on(finding, today, changes)
    if finding is not None:
        was = finding
        finding = _count_quiet(finding, today, changes)
    if finding is not None and today.ends_school_year:
        changes.append(_cleared(finding, today.date))
        finding = None
    return Closed(finding, changes, was)


def rise(finding: Finding | None, today: Today) -> tuple[Finding | None, list[Change]]:
    """Decide one rule before the day's close: it may open or raise, and nothing else."""
    changes: list[Change] = []
    if finding is None:
        finding = _open(today, changes)
    elif today.level is not None and today.level > finding.level:
        finding = _carry_on(finding, today, changes)
    if changes and finding is not None:
        finding = msgspec.structs.replace(finding, early=True)
    return finding, changes


def end(finding: Finding, on: date) -> list[Change]:
    """The rule is gone or disabled: its finding is cleared."""
    return [_cleared(finding, on)]


def _open(today: Today, changes: list[Change]) -> Finding | None:
    """A finding opens only on what holds today."""
    if not today.level:
        return None
    changes.append(Change(StepKind.OPENED, today.level, today.date, today.date))
    day = today.date.toordinal()
    reached = _reaching((0, 0, 0, 0), today.level, day)
    return Finding(today.level, today.date, {day: today.level}, reached=reached)


def _carry_on(finding: Finding, today: Today, changes: list[Change]) -> Finding:
    """A higher level raises it; a lower value never lowers it."""
    if not today.level:
        return finding
    level = max(finding.level, today.level)
    if level > finding.level:
        changes.append(Change(StepKind.RAISED, level, finding.since, today.date))
    day = today.date.toordinal()
    levels = {**finding.levels, day: today.level}
    reached = _reaching(finding.reached, today.level, day)
    return Finding(level, finding.since, levels, finding.quiet, reached=reached)


def _correct(
    finding: Finding, anew: Mapping[int, int], today: Today, changes: list[Change]
) -> Finding | None:
    """Judge it by the levels that its days have now: lower, higher, or as before."""
    held = {day: level for day, level in anew.items() if level}
    if not held:
        changes.append(
            Change(StepKind.RETRACTED, finding.level, finding.since, today.date, remaining=0)
        )
        return None
    level = max(held.values())
    since = date.fromordinal(min(held))
    decided_on = date.fromordinal(max(day for day, each in held.items() if each == level))
    if level < finding.level:
        changes.append(Change(StepKind.RETRACTED, finding.level, since, decided_on, level))
    elif level > finding.level:
        changes.append(Change(StepKind.RAISED, level, since, decided_on))
    return Finding(level, since, held, finding.quiet, reached=_reached(held))


def _count_quiet(finding: Finding, today: Today, changes: list[Change]) -> Finding | None:
    """Days without enough data neither count nor break."""
    if today.level is None:
        return finding
    quiet = finding.quiet + 1 if today.quiet else 0
    if quiet >= today.clear_after:
        changes.append(_cleared(finding, today.date))
        return None
    if quiet == finding.quiet:
        return finding
    return msgspec.structs.replace(finding, quiet=quiet)


def _cleared(finding: Finding, on: date) -> Change:
    return Change(StepKind.CLEARED, finding.level, finding.since, on)
