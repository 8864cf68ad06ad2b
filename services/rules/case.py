"""The life of a finding: opened, raised, retracted, cleared (DESIGN section 6, in its order).

Pure decisions on levels. What was measured, and by which rulebook, is settled by the caller.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from shared.events import StepKind


class Finding(msgspec.Struct, frozen=True, array_like=True):
    """An open finding: a rule that holds, or held, for a pupil."""

    level: int
    since: date
    levels: dict[date, int]
    """The level of each school day from `since` on, as last judged."""
    quiet: int = 0
    """Quiet days in a row so far."""


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


def close(
    finding: Finding | None, today: Today, anew: Mapping[date, int] | None
) -> tuple[Finding | None, list[Change]]:
    """Decide one rule at a day close.

    `anew`: when a correction concerns a closed day, the level of each school day from the
    finding's `since` to today, as it is known now; else None.
    """
    changes: list[Change] = []
    if finding is None:
        finding = _open(today, changes)
    elif anew is not None:
        finding = _correct(finding, anew, today, changes)
    else:
        finding = _carry_on(finding, today, changes)
    if finding is not None:
        finding = _count_quiet(finding, today, changes)
    if finding is not None and today.ends_school_year:
        changes.append(_cleared(finding, today.date))
        finding = None
    return finding, changes


def end(finding: Finding, on: date) -> list[Change]:
    """The rule is gone or disabled: its finding is cleared."""
    return [_cleared(finding, on)]


def _open(today: Today, changes: list[Change]) -> Finding | None:
    """A finding opens only on what holds today."""
    if not today.level:
        return None
    changes.append(Change(StepKind.OPENED, today.level, today.date, today.date))
    return Finding(today.level, today.date, {today.date: today.level})


def _carry_on(finding: Finding, today: Today, changes: list[Change]) -> Finding:
    """A higher level raises it; a lower value never lowers it."""
    if today.level is None:
        return finding
    level = max(finding.level, today.level)
    if level > finding.level:
        changes.append(Change(StepKind.RAISED, level, finding.since, today.date))
    return Finding(level, finding.since, {**finding.levels, today.date: today.level}, finding.quiet)


def _correct(
    finding: Finding, anew: Mapping[date, int], today: Today, changes: list[Change]
) -> Finding | None:
    """Judge it by the levels that its days have now: lower, higher, or as before."""
    level = max(anew.values(), default=0)
    if not level:
        changes.append(
            Change(StepKind.RETRACTED, finding.level, finding.since, today.date, remaining=0)
        )
        return None
    since = min(day for day, held in anew.items() if held)
    decided_on = max(day for day, held in anew.items() if held == level)
    if level < finding.level:
        changes.append(Change(StepKind.RETRACTED, finding.level, since, decided_on, level))
    elif level > finding.level:
        changes.append(Change(StepKind.RAISED, level, since, decided_on))
    return Finding(
        level, since, {day: held for day, held in anew.items() if day >= since}, finding.quiet
    )


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
