"""The desk: what notify knows, in memory, and which rows of it changed.

What one batch of entries causes can so be written in one go. The rows are in `rows.py`.
"""

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from services.notify.rows import (
    IN_MEMORY,
    Attempt,
    Brake,
    Case,
    Correction,
    Decision,
    Finding,
    Happened,
    Investigation,
    Key,
    Live,
    Outbreak,
    Reached,
    Row,
    Said,
    Signal,
    Spent,
    Table,
    Texted,
    Unreachable,
    Volume,
    finding_key,
)
from shared.events import CaseStep

Changes = Mapping[tuple[Table, Key], Row | None]
"""Rows to write, by table and key; None: the row is gone."""


class Looked(NamedTuple):
    """By which date and files findings were looked at."""

    on: date
    routing: object
    calendar: object
    rosters: Mapping[str, object]


@dataclass
class Desk:
    """Everything that is held in memory, and what changed since it was last written."""

    findings: dict[Key, Finding] = field(default_factory=dict)
    outbreaks: dict[Key, Outbreak] = field(default_factory=dict)
    """By the key of the class's finding."""
    cases: dict[Key, Case] = field(default_factory=dict)
    corrections: dict[Key, Correction] = field(default_factory=dict)
    live: dict[Key, Live] = field(default_factory=dict)
    """By school."""
    reached: dict[Key, Reached] = field(default_factory=dict)
    """By partition."""
    said: dict[Key, Said] = field(default_factory=dict)
    volume: dict[Key, Volume] = field(default_factory=dict)
    brake: dict[Key, Brake] = field(default_factory=dict)
    unreachable: dict[Key, Unreachable] = field(default_factory=dict)
    attempts: dict[Key, Attempt] = field(default_factory=dict)
    texted: dict[Key, Texted] = field(default_factory=dict)
    spent: dict[Key, Spent] = field(default_factory=dict)
    decisions: dict[Key, Decision] = field(default_factory=dict)
    investigations: dict[Key, Investigation] = field(default_factory=dict)
    """By `school/pupil` and the day on which it was begun."""
    unsettled: set[Key] = field(default_factory=set)
    """Findings that are to be looked at when school time moves on."""
    looked_by: Looked | None = None
    """What all others were last looked at by; None: nothing was looked at since it was loaded."""
    routed: list[str] = field(default_factory=list)
    """Decisions taken since last asked, for the metrics."""
    _changes: dict[tuple[Table, Key], Row | None] = field(default_factory=dict)
    _in_order: list[Key] = field(default_factory=list)
    """The keys of findings, sorted, so that those of a pupil or unit stand together. A mapping by
    pupil would take some 500 bytes for each of a hundred thousand."""

    def __post_init__(self) -> None:
        self._in_order = sorted(self.findings)

    def of(self, who: Key) -> list[Finding]:
        """What stands of a pupil or unit, by rule."""
        found, begin = [], f"{who} "
        for place in range(bisect_left(self._in_order, begin), len(self._in_order)):
            key = self._in_order[place]
            if not key.startswith(begin):
                break
            found.append(self.findings[key])
        return found

    def reached_by_all(self, partitions: int) -> datetime | None:
        """The school time that every partition has reached; None before each has reached any."""
        if len(self.reached) < partitions:
            return None
        return min(each.at for each in self.reached.values())

    def happened(self, school: str, pupil: str, what: Happened) -> None:
        """One line more of a pupil's history; a unit has none."""
        if pupil:
            self.put("history", history_key(school, pupil, what.key), what)

    def put(self, table: Table, key: Key, row: Row) -> None:
        if table == "findings":
            self.unsettled.add(key)
            if key not in self.findings:
                insort(self._in_order, key)
        if table in IN_MEMORY:
            getattr(self, table)[key] = row
        self._changes[table, key] = row

    def drop(self, table: Table, key: Key) -> None:
        if table == "findings" and key in self.findings:
            del self._in_order[bisect_left(self._in_order, key)]
        if table in IN_MEMORY:
            getattr(self, table).pop(key, None)
        self._changes[table, key] = None

    def look_at_again(self, who: Key) -> None:
        """Look at all that stands of a pupil or unit when school time moves on."""
        self.unsettled.update(each.key for each in self.of(who))

    def take_changes(self) -> Changes:
        changes, self._changes = self._changes, {}
        return changes

    def take_routed(self) -> list[str]:
        routed, self.routed = self.routed, []
        return routed


def history_key(school: str, pupil: str, line: Key) -> Key:
    """Of a line of a pupil's history; neither school nor pupil has a space."""
    return f"{school}/{pupil} {line}"


def key_of(step: CaseStep) -> Key:
    """The key of the finding that a step changes."""
    return finding_key(step.school, step.pupil, step.unit, step.rule)


def signal_of(step: CaseStep, level: int) -> Signal:
    """What may be seen of a finding after `step`."""
    return Signal(
        step.school,
        step.pupil,
        step.unit,
        step.rule,
        level,
        step.since,
        dict(step.title),
        dict(step.words),
        step.good_news,
    )
