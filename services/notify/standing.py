"""What stands: case steps, school time and schools going live, folded into the desk.

Nothing is told here. Who is told what, and when, is derived from what stands (`telling.py`).
"""

from datetime import datetime, timedelta

from services.notify.desk import Desk, key_of, signal_of
from services.notify.rows import (
    PROTECTED,
    Correction,
    Fate,
    Finding,
    Happened,
    Key,
    Live,
    Outbreak,
    Reached,
    Recipient,
)
from shared.calendar import SchoolCalendar
from shared.events import CaseMessage, CaseStep, SchoolLive, StepKind, TimeReached


def fold(desk: Desk, partition: int, message: CaseMessage, calendar: SchoolCalendar) -> None:
    """Fold one message of a partition's case steps."""
    match message:
        case TimeReached():
            desk.put("reached", str(partition), Reached(message.at))
        case SchoolLive():
            _go_live(desk, message)
        case CaseStep(kind=StepKind.OPENED | StepKind.RAISED):
            _rise(desk, message, _now(desk, partition, message, calendar))
        case CaseStep():
            _fall(desk, message, _now(desk, partition, message, calendar))


def _now(desk: Desk, partition: int, step: CaseStep, calendar: SchoolCalendar) -> datetime:
    """A step comes at its partition's school time; before there is any, just before its close."""
    reached = desk.reached.get(str(partition))
    return reached.at if reached else calendar.closes_at(step.as_of) - timedelta(seconds=1)


def _rise(desk: Desk, step: CaseStep, at: datetime) -> None:
    key = key_of(step)
    known = desk.findings.get(key) if step.kind is StepKind.RAISED else None
    opened = known.opened if known else step.step_id
    # What a rule in trial found is owed to nobody, not even when the trial is over.
    owed = known if known and not known.shadow and not known.history else None
    earlier = known.steps if known and not known.shadow else ()
    finding = Finding(
        step.school,
        step.pupil,
        step.unit,
        step.rule,
        step.level,
        step.since,
        opened,
        steps=(*earlier, step.step_id),
        shows=step.step_id,
        as_of=step.as_of,
        came=at,
        first=owed.first if owed else at,
        audience=step.audience,
        earlier=_earlier(owed, step),
        good_news=step.good_news,
        shadow=step.shadow,
        history=step.history and not step.shadow,
        held_until=step.held_until,
        told=known.told if known else {},
        # What is on its way, or lies among the dead letters, does not hold up a raise.
    )
    desk.put("findings", key, finding)
    desk.put("signals", step.step_id, signal_of(step, step.level))
    _note(desk, step, step.level, at)
    if known:
        _write_fate(desk, step, opened, step.level)
    _damp(desk, step, step.damps)


def _earlier(owed: Finding | None, step: CaseStep) -> tuple[tuple[str, int], ...]:
    """Who was to be told before the raise, and is not by what it has risen to."""
    if owed is None:
        return ()
    known = (*owed.earlier, *((audience, owed.level) for audience in owed.audience))
    return _without(known, step)


def _without(earlier: tuple[tuple[str, int], ...], step: CaseStep) -> tuple[tuple[str, int], ...]:
    return tuple((each, level) for each, level in earlier if each not in step.audience)


def _fall(desk: Desk, step: CaseStep, at: datetime) -> None:
    """Retracted or cleared: what stands is changed, and those who were told are owed a word."""
    key = key_of(step)
    finding = desk.findings.get(key)
    if finding is None:
        return
    level = step.remaining or 0
    _write_fate(desk, step, finding.opened, level)
    _note(desk, step, level, at)
    if level:
        desk.put("signals", step.step_id, signal_of(step, level))
        left = {recipient: each.lowered(level) for recipient, each in finding.told.items()}
        desk.put(
            "findings",
            key,
            finding.but(
                level=level,
                since=step.since,
                shows=step.step_id,
                audience=step.audience,
                earlier=_without(finding.earlier, step),
                shadow=step.shadow,
                told=left,
            ),
        )
    else:
        desk.drop("findings", key)
        _close_case(desk, finding)
    if key in desk.outbreaks:
        _damp(desk, step, desk.outbreaks[key].damps if level else ())
    if step.kind is StepKind.RETRACTED and not step.history:
        for recipient, telling in finding.told.items():
            if telling.level > level:
                _owe_correction(desk, finding, step.step_id, recipient, at)


def _write_fate(desk: Desk, step: CaseStep, opened: str, level: int) -> None:
    desk.put("fates", opened, Fate(step.kind, level, step.as_of))


def _note(desk: Desk, step: CaseStep, level: int, at: datetime) -> None:
    """A line of the history; of a rule that is being tried there is none."""
    if step.shadow:
        return
    happened = Happened(
        "signal",
        at,
        step.as_of,
        step.step_id,
        kind=step.kind,
        level=level,
        rule=step.rule,
        title=dict(step.title),
        words=dict(step.words),
        good_news=step.good_news,
        corrected=step.corrected,
    )
    desk.happened(step.school, step.pupil, happened)


def _owe_correction(desk: Desk, finding: Finding, step: str, recipient: str, at: datetime) -> None:
    school, _, staff = recipient.partition("/")
    telling = finding.told[recipient]
    correction = Correction(
        Recipient(school, staff),
        finding.key,
        finding.about,
        finding.opened,
        step,
        finding.shows,
        finding.level,
        finding.since,
        at,
        telling.channels,
        finding.good_news,
        telling.at_once,
        telling.audience == PROTECTED,
        on_way=finding.on_way.get(recipient, "") if telling.in_doubt else "",
    )
    desk.put("corrections", correction.key, correction)


def _close_case(desk: Desk, finding: Finding) -> None:
    """A case is over when nothing stands of it."""
    if finding.about in desk.cases and not desk.of(finding.about):
        desk.drop("cases", finding.about)


def _damp(desk: Desk, step: CaseStep, damps: tuple[str, ...]) -> None:
    """A unit's step says what waits for the pupils of its class from here on, and what no more."""
    key: Key = key_of(step)
    if damps and not step.shadow:
        after = Outbreak(step.school, step.unit, step.rule, damps, step.since)
        if desk.outbreaks.get(key) != after:
            desk.put("outbreaks", key, after)
    elif key in desk.outbreaks:
        desk.drop("outbreaks", key)


def _go_live(desk: Desk, message: SchoolLive) -> None:
    """Going live once more releases a start list that is held."""
    known = desk.live.get(message.school)
    if known is None:
        desk.put("live", message.school, Live(message.at))
    elif message.at > known.first:
        desk.put("live", message.school, known.but(released=message.at))
