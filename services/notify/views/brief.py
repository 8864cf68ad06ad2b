"""The work-team brief: what a meeting of EHT and a work team goes through, in this order.

Overdue decisions first, then what is new, worse, unanswered, back after an answer, and better. A
pupil stands once, in the first part that fits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from services.notify.desk import Desk
from services.notify.rows import Decision, about
from services.notify.views.now import PupilNow, by_urgency, pupils_now
from shared.roster import RosterPupil

Part = Literal["overdue", "new", "worse", "unanswered", "returning", "better"]

PARTS: tuple[Part, ...] = ("overdue", "new", "worse", "unanswered", "returning", "better")

PERIOD = timedelta(days=7)
"""Back from the day of the meeting: what came since is new."""


@dataclass(frozen=True)
class Line:
    """One pupil of the brief."""

    now: PupilNow
    decisions: tuple[tuple[str, Decision], ...]
    """Those not done yet, by id; the oldest first."""


def brief(desk: Desk, pupils: Iterable[RosterPupil], on: date) -> Mapping[Part, Sequence[Line]]:
    """The lines of each part for a meeting on a date; level 1 alone is left to contact teachers."""
    owed: dict[str, list[tuple[str, Decision]]] = {}
    for name, each in desk.decisions.items():
        if each.done is None:
            owed.setdefault(about(each.school, each.pupil, ""), []).append((name, each))
    parts: dict[Part, list[Line]] = {part: [] for part in PARTS}
    for now in by_urgency(pupils_now(desk, pupils, on)):
        key = about(now.pupil.school, now.pupil.pupil, "")
        decisions = tuple(sorted(owed.get(key, ()), key=lambda each: (each[1].by, each[0])))
        part = _part(now, decisions, on)
        if part is not None:
            parts[part].append(Line(now, decisions))
    return parts


def teams(pupils: Iterable[RosterPupil]) -> tuple[str, ...]:
    """The work teams of a school, by name."""
    return tuple(sorted({each.work_team for each in pupils if each.work_team}))


def _part(now: PupilNow, decisions: Sequence[tuple[str, Decision]], on: date) -> Part | None:
    recent = on - PERIOD
    serious = [each for each in now.concerns if each.level > 1]
    is_new = all(each.since > recent or each.first.date() > recent for each in serious)
    holds: tuple[tuple[Part, bool], ...] = (
        ("overdue", any(each.by < on for _, each in decisions)),
        ("returning", bool(serious) and now.is_back),
        ("new", bool(serious) and is_new),
        ("worse", any(len(each.steps) > 1 and each.as_of > recent for each in serious)),
        ("unanswered", bool(serious) and not now.is_answered),
        ("better", bool(now.findings) and not now.concerns),
    )
    return next((part for part, held in holds if held), None)
