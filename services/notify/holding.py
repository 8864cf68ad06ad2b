"""Whether telling of a finding waits, and why: a pure decision.

Cool-down, known causes, a rule that is being tried and damping hold words back and never steps.
On release what still stands is told, once.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from services.notify.desk import Finding, Outbreak
from shared.calendar import SchoolCalendar
from shared.roster import Roster

_QUARTER = 15
"""Minutes from one school time to the next."""


def why_held(
    finding: Finding, outbreaks: Iterable[Outbreak], roster: Roster | None, on: date
) -> str:
    """Why a finding may not be told on a date; empty: it may."""
    if finding.shadow:
        return "its rule is being tried"
    if finding.held_until and on < finding.held_until:
        return f"held until {finding.held_until}"
    for outbreak in outbreaks:
        if _damped(finding, outbreak, roster):
            return f"held while {outbreak.rule} stood for the pupil's class"
    return ""


def held_from(finding: Finding, at: datetime, calendar: SchoolCalendar) -> datetime:
    """As of when what goes at once is sent, when it may be told at `at`.

    On the day until which it was held it goes together with what comes at that day's close.
    """
    if finding.held_until is None:
        return at
    before_close = calendar.closes_at(finding.held_until) - timedelta(seconds=1)
    minute = before_close.minute - before_close.minute % _QUARTER
    return max(at, before_close.replace(minute=minute, second=0))


def _damped(finding: Finding, outbreak: Outbreak, roster: Roster | None) -> bool:
    """Did it open or rise in the days of the outbreak, for a pupil who was in the class then?"""
    signal = finding.signal
    if outbreak.school != signal.school or signal.rule not in outbreak.damps:
        return False
    if finding.risen < outbreak.since or roster is None:
        return False
    pupil = roster.pupil(signal.pupil, finding.risen)
    return pupil is not None and outbreak.unit == f"class/{pupil.school_class}"
