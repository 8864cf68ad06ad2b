"""Pupils as they are now: what stands of each, and whether somebody must act."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal

from services.notify.desk import Desk
from services.notify.rows import Case, Finding, about
from shared.roster import RosterPupil

State = Literal["needs", "watch", "better", "answered", "calm"]
"""Waits for an answer; level 1 alone, which is not sent; good news alone; answered, and nothing new
since; nothing stands."""


@dataclass(frozen=True)
class PupilNow:
    """One pupil of the roster, what stands of them, and what was answered."""

    pupil: RosterPupil
    findings: tuple[Finding, ...]
    """Most serious first, good news last; without rules that are being tried."""
    case: Case | None
    on: date

    @cached_property
    def concerns(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if not each.good_news)

    @cached_property
    def level(self) -> int:
        """The highest that stands; 0: none."""
        return max((each.level for each in self.concerns), default=0)

    @cached_property
    def since(self) -> date | None:
        """Since when the oldest concern stands."""
        return min((each.since for each in self.concerns), default=None)

    @cached_property
    def is_back(self) -> bool:
        """Answered, and the day has come on which what stands comes back."""
        case = self.case
        return bool(
            self.concerns and case and case.answers and case.again_on and case.again_on <= self.on
        )

    @cached_property
    def is_answered(self) -> bool:
        """Somebody has answered all that stands, and it has not come back."""
        answered = self.case.answered_at if self.case else None
        return (
            answered is not None
            and not self.is_back
            and all(each.came <= answered for each in self.concerns)
        )

    @cached_property
    def state(self) -> State:
        if not self.concerns:
            return "better" if self.findings else "calm"
        if self.is_answered:
            return "answered"
        return "needs" if self.level > 1 else "watch"


def pupils_now(desk: Desk, pupils: Iterable[RosterPupil], on: date) -> list[PupilNow]:
    """The pupils, in the order given, with what stands of each."""
    return [_now(desk, pupil, on) for pupil in pupils]


def by_urgency(pupils: Iterable[PupilNow]) -> list[PupilNow]:
    """What needs somebody first: what came back, then the highest level, then the longest."""
    return sorted(
        pupils,
        key=lambda each: (not each.is_back, -each.level, each.since or each.on, each.pupil.pupil),
    )


def _now(desk: Desk, pupil: RosterPupil, on: date) -> PupilNow:
    key = about(pupil.school, pupil.pupil, "")
    findings = sorted(
        (each for each in desk.of(key) if not each.shadow),
        key=lambda each: (each.good_news, -each.level, each.since, each.rule),
    )
    return PupilNow(pupil, tuple(findings), desk.cases.get(key), on)
