"""Stage 3, mute: why telling of a finding waits. A pure decision, that gives its reason.

Cool-down, known causes, a rule that is being tried, damping, silences, inhibition and quiet hours
hold words back and never steps. On release what still stands is told, once. Corrections of what
was told always pass.
"""

from collections.abc import Iterable
from datetime import date, datetime, time

from services.notify.routing import QuietHours, Routing, Silence
from services.notify.rows import Case, Finding, Live, Outbreak
from services.notify.stages.route import Decision, matches
from shared.calendar import SchoolCalendar
from shared.roster import Roster

_HELD_BY_A_CAUSE = 2
"""The highest level that waits while its cause is known."""


class Around:
    """What a decision is taken by, beside the finding and the recipient."""

    def __init__(
        self,
        at: datetime,
        calendar: SchoolCalendar,
        routing: Routing,
        roster: Roster | None,
        *,
        live: Live | None = None,
        case: Case | None = None,
        outbreaks: Iterable[Outbreak] = (),
    ) -> None:
        self.at = at
        self.on = calendar.local_date(at)
        self.calendar = calendar
        self.routing = routing
        self.roster = roster
        self.live = live
        self.case = case
        self.outbreaks = outbreaks


def why_muted(finding: Finding, decision: Decision, around: Around, *, at_once: bool) -> str:
    """Why a recipient may not be told of a finding now, at once or in a digest; empty: they may."""
    for reason in (
        _tried(finding),
        _of_last_year(finding, around),
        _start_list(finding, around),
        _held(finding, decision, around, at_once=at_once),
        _damped(finding, around),
        _known_cause(finding, around),
        _silenced(finding, decision, around),
        _taken(decision, around),
        _quiet(decision, around) if at_once else "",
    ):
        if reason:
            return reason
    return ""


def _tried(finding: Finding) -> str:
    return "its rule is being tried" if finding.shadow else ""


def _of_last_year(finding: Finding, around: Around) -> str:
    begun = around.calendar.year_start(around.on)
    return "of last school year" if begun and finding.as_of < begun else ""


def _start_list(finding: Finding, around: Around) -> str:
    if not finding.history or released_at(around.live, around.routing) is not None:
        return ""
    return "part of the start list, which waits" if around.live else "its school is not live"


def released_at(live: Live | None, routing: Routing) -> datetime | None:
    """Since when a school's start list may be told; None: not yet."""
    if live is None:
        return None
    return live.released or (live.first if routing.start_list == "digest" else None)


def held_until(finding: Finding, decision: Decision, calendar: SchoolCalendar) -> date | None:
    """The day until which telling waits, as its step or its route says; None: it doesn't."""
    days = decision.route.settle_days
    settled = calendar.after(finding.as_of, days) if days else None
    return max((day for day in (finding.held_until, settled) if day), default=None)


def _held(finding: Finding, decision: Decision, around: Around, *, at_once: bool) -> str:
    """On the day until which it was held, what goes at once goes with what comes at its close."""
    until = held_until(finding, decision, around.calendar)
    if until is None:
        return ""
    over = around.on >= until
    if at_once:
        over = around.at >= around.calendar.closes_at(until)
    return "" if over else f"held until {until}"


def _damped(finding: Finding, around: Around) -> str:
    """Did it open or rise in the days of an outbreak, for a pupil who was in the class then?"""
    for outbreak in around.outbreaks:
        if outbreak.school != finding.school or finding.rule not in outbreak.damps:
            continue
        if finding.as_of < outbreak.since or around.roster is None:
            continue
        pupil = around.roster.pupil(finding.pupil, finding.as_of)
        if pupil is not None and outbreak.unit == f"class/{pupil.school_class}":
            return f"held while {outbreak.rule} stood for the pupil's class"
    return ""


def _known_cause(finding: Finding, around: Around) -> str:
    until = around.case.known_until if around.case else None
    if until is None or around.on > until or finding.level > _HELD_BY_A_CAUSE:
        return ""
    return f"its cause is known until {until}"


def _silenced(finding: Finding, decision: Decision, around: Around) -> str:
    silence = silence_of(finding, decision.audience, around.routing.silences, around)
    return f"silenced until {silence.until}: {silence.reason}" if silence else ""


def silence_of(
    finding: Finding, audience: str, silences: Iterable[Silence], around: Around
) -> Silence | None:
    """The silence in force that speaks of a finding."""
    for silence in silences:
        if around.on < silence.until and matches(silence, finding, audience):
            return silence
    return None


def _taken(decision: Decision, around: Around) -> str:
    """EHT has taken the case: contact teachers are told no more. Merely telling EHT doesn't."""
    taken = around.case is not None and around.case.taken
    return "EHT has taken the case" if taken and decision.audience == "contact_teacher" else ""


def _quiet(decision: Decision, around: Around) -> str:
    if decision.route.break_quiet:
        return ""
    return why_quiet(around.at, around.routing.quiet_hours, around.calendar)


def why_quiet(at: datetime, quiet: QuietHours, calendar: SchoolCalendar) -> str:
    """Why nothing is sent at an hour; empty: it may be."""
    local = at.astimezone(calendar.zone)
    if quiet.days_off and not calendar.is_school_day(local.date()):
        return "a day off"
    return "quiet hours" if _is_within(local.time(), *quiet.times) else ""


def _is_within(clock: time, begin: time, end: time) -> bool:
    """From `begin` to before `end`, past midnight when that is earlier."""
    if begin <= end:
        return begin <= clock < end
    return clock >= begin or clock < end
