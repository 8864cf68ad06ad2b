"""Stage 2, dedup: is a recipient owed a word of a finding at all, or do they know it?"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from services.notify.rows import Case, Finding, Telling
from services.notify.stages.route import Decision


@dataclass(frozen=True, slots=True)
class Owed:
    """A recipient is to be told of a finding."""

    decision: Decision
    again: bool = False
    """They were told, it was answered, and it still stands."""
    handed_over: bool = False
    """Another contact teacher was told before."""

    @property
    def why(self) -> str:
        if self.again:
            return f"{self.decision.reason}; still there after the answer"
        if self.handed_over:
            return f"{self.decision.reason}; handed over"
        return self.decision.reason


def owed(
    finding: Finding,
    decisions: list[Decision],
    case: Case | None,
    on: date,
    concerns: Collection[Finding] = (),
) -> list[Owed]:
    """Who of those who are routed to is not told yet of what stands on a date.

    `concerns`: what else stands of the pupil. A route may be meant only for those who have been
    told of some of that: to others, that something is better says nothing.

    An answer answers what somebody had been told by then: nobody else is told of that, but those
    whom it calls for and a new contact teacher. On the day of the follow-up it comes back to
    whoever answered. Good news is no part of the case: no answer holds it or brings it back, and
    nobody takes it over.
    """
    case = None if finding.good_news else case
    back = case.again_on if case and case.again_on and case.again_on <= on else None
    answered = case.answered_at if case else None
    follows_up = _who_follows_up(decisions, case)
    found: list[Owed] = []
    for decision in decisions:
        if decision.send == "shown":
            continue
        if decision.route.told_before and not any(_told(each, decision) for each in concerns):
            continue
        came = finding.first if decision.earlier else finding.came
        known = answered is not None and came < answered and bool(finding.told)
        told = _told(finding, decision)
        if known and back is not None and decision.recipient.staff in follows_up:
            if told is None or told.on < back:
                found.append(Owed(decision, again=True))
            continue
        if told is not None:
            if told.level < finding.level and not decision.earlier and not known:
                found.append(Owed(decision))
            continue
        handed_over = _handed_over(finding, decision, decisions)
        if handed_over and finding.good_news:
            continue
        if not known or handed_over or (case is not None and decision.audience in case.also):
            found.append(Owed(decision, handed_over=handed_over))
    return found


def _who_follows_up(decisions: list[Decision], case: Case | None) -> frozenset[str]:
    """Whoever answered last; everybody, when they are told no more."""
    everybody = frozenset(decision.recipient.staff for decision in decisions)
    if case is None or not case.answers or case.answers[-1].by not in everybody:
        return everybody
    return frozenset({case.answers[-1].by})


def _told(finding: Finding, decision: Decision) -> Telling | None:
    own = finding.told.get(str(decision.recipient))
    if own is not None or not decision.in_turn:
        return own
    others = [each for recipient, each in finding.told.items() if recipient in decision.in_turn]
    return max(others, key=lambda each: (each.on, each.level), default=None)


def _handed_over(finding: Finding, decision: Decision, decisions: list[Decision]) -> bool:
    """Was a contact teacher told who is none of the pupil's any more?"""
    if decision.audience != "contact_teacher":
        return False
    now = {str(each.recipient) for each in decisions}
    return any(
        each.audience == "contact_teacher" and recipient not in now
        for recipient, each in finding.told.items()
    )
