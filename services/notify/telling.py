"""What a step, the time or a school going live changes in what is to be told.

Detection decides that something happened, and the step says so; here is decided only who is
told, when, and what has to be taken back. The same entries from the same desk give the same
rows, but for the tokens, which are drawn by the caller and only count once they are written.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.notify.desk import (
    Desk,
    Fate,
    Finding,
    Item,
    Kind,
    Outgoing,
    Recipient,
    Send,
    Signal,
    Telling,
    signal_of,
)
from services.notify.digest import Due, due, in_order
from services.notify.outbox import post, told_by
from services.notify.routing import Decision, Routing, route, slot_for
from shared.calendar import SchoolCalendar
from shared.events import CaseMessage, CaseStep, SchoolLive, StepKind, TimeReached
from shared.roster import Roster


@dataclass(frozen=True)
class Around:
    """What a decision is taken by, beside the desk."""

    routing: Routing
    calendar: SchoolCalendar
    rosters: Mapping[str, Roster]
    partitions: int
    token: Callable[[], str]


@dataclass(frozen=True)
class _Now:
    """The desk, what decisions are taken by, and the school time at which something came."""

    desk: Desk
    around: Around
    at: datetime

    def decisions(self, signal: Signal) -> list[Decision]:
        roster = self.around.rosters.get(signal.school)
        on = self.around.calendar.local_date(self.at)
        return route(signal, roster, self.around.routing, on)


def schools_involved(desk: Desk, messages: Iterable[CaseMessage]) -> set[str]:
    """The schools whose rosters `advance` may ask for."""
    schools = set()
    for message in messages:
        if isinstance(message, TimeReached):
            schools |= {item.recipient.school for item in desk.pending.values()}
            schools |= {each.signal.school for each in desk.findings.values() if each.waiting}
        else:
            schools.add(message.school)
    return schools


def advance(desk: Desk, partition: int, message: CaseMessage, around: Around) -> None:
    """Fold one message of a partition's case steps into the desk."""
    match message:
        case TimeReached():
            _reach(desk, partition, message, around)
        case SchoolLive():
            _go_live(desk, partition, message, around)
        case CaseStep(kind=StepKind.OPENED | StepKind.RAISED):
            _rise(_at(desk, partition, message, around), message)
        case CaseStep():
            _fall(_at(desk, partition, message, around), message)


def _at(desk: Desk, partition: int, step: CaseStep, around: Around) -> _Now:
    """A step comes at its partition's school time; before there is any, just before its close."""
    reached = desk.reached.get(str(partition))
    close = around.calendar.closes_at(step.as_of)
    return _Now(desk, around, reached.at if reached else close - timedelta(seconds=1))


# Steps that open and raise


def _rise(now: _Now, step: CaseStep) -> None:
    desk = now.desk
    key = f"{step.school}/{step.pupil} {step.rule}"
    known = desk.findings.get(key) if step.kind is StepKind.RAISED else None
    opened = known.signal.opened if known else step.step_id
    finding = Finding(
        signal=signal_of(step, opened, step.level),
        steps=(*(known.steps if known else ()), step.step_id),
        waiting=step.history,
        told=known.told if known else {},
    )
    desk.put("findings", key, finding)
    if known:
        _write_fate(desk, step, opened, step.level)
    if step.history:
        desk.routed.append("history")
        return
    for decision in now.decisions(finding.signal):
        _tell(now, finding.signal, (step.step_id,), decision)
        desk.routed.append("fallback" if decision.fallback else decision.send)


def _tell(now: _Now, signal: Signal, steps: tuple[str, ...], decision: Decision) -> None:
    """Put a signal where its recipient will be told of it, together with what waits of it."""
    if decision.send == "shown":
        return
    item = Item(
        recipient=decision.recipient,
        signal=signal,
        steps=steps,
        after=now.at,
        channels=decision.channels,
        reason=decision.reason,
    )
    waiting = now.desk.pending.get(item.key)
    if waiting and waiting.signal.opened == signal.opened:
        earlier = tuple(step for step in waiting.steps if step not in steps)
        item = item.model_copy(update={"steps": (*earlier, *steps), "after": waiting.after})
    if decision.send == "digest":
        now.desk.put("pending", item.key, item)
        return
    if waiting:
        now.desk.drop("pending", item.key)
    _send(now, "immediate", item)


def _send(now: _Now, kind: Kind, item: Item) -> None:
    """Put one item in the outbox; a message of the same kind and time not yet tried takes it up."""
    for message in now.desk.outbox.values():
        untried = message.attempts == 0 and not message.failed and not message.in_doubt
        same = (message.kind, message.recipient, message.made) == (kind, item.recipient, now.at)
        if untried and same:
            others = (each for each in message.items if each.key != item.key)
            post(now.desk, message.model_copy(update={"items": in_order((*others, item))}))
            return
    outgoing = Outgoing(
        id=f"{item.recipient} {item.steps[-1]}",
        kind=kind,
        recipient=item.recipient,
        channels=item.channels,
        items=(item,),
        token=now.around.token(),
        made=now.at,
    )
    post(now.desk, outgoing)


# Steps that take back


def _fall(now: _Now, step: CaseStep) -> None:
    """Retracted or cleared: what stands is changed, unsent words withdrawn, sent ones corrected."""
    desk = now.desk
    key = f"{step.school}/{step.pupil} {step.rule}"
    finding = desk.findings.get(key)
    if finding is None:
        return
    before, level = finding.signal, step.remaining or 0
    _write_fate(desk, step, before.opened, level)
    doubtful = {str(message.recipient): told_by(message) for message in _withdraw(desk, key)}
    told = {**doubtful, **finding.told}
    if level:
        left = {"signal": signal_of(step, before.opened, level), "told": told}
        _keep_telling(now, finding.model_copy(update=left))
    else:
        desk.drop("findings", key)
        _drop_pending(desk, key, kept=())
    if step.kind is StepKind.RETRACTED and not step.history:
        for recipient, telling in told.items():
            _correct(now, before, step.step_id, recipient, telling)


def _write_fate(desk: Desk, step: CaseStep, opened: str, level: int) -> None:
    desk.put("fates", opened, Fate(kind=step.kind, level=level, as_of=step.as_of))


def _withdraw(desk: Desk, finding: str) -> list[Outgoing]:
    """Take a finding out of the outbox; returns the messages that may have been sent with it.

    One in doubt that tells of other findings too stays: its page says what has become of this.
    """
    doubtful = []
    for message in list(desk.outbox.values()):
        others = tuple(item for item in message.items if item.signal.finding != finding)
        if message.kind == "correction" or len(others) == len(message.items):
            continue
        if message.in_doubt:
            doubtful.append(message)
        if not others:
            desk.drop("outbox", message.id)
        elif not message.in_doubt:
            post(desk, message.model_copy(update={"items": others}))
    return doubtful


def _keep_telling(now: _Now, finding: Finding) -> None:
    """A level is left: who is to be told of it by the routes, and is not told yet, still is."""
    now.desk.put("findings", finding.signal.finding, finding)
    decisions = [] if finding.waiting else now.decisions(finding.signal)
    telling = [decision for decision in decisions if decision.send != "shown"]
    kept = [str(decision.recipient) for decision in telling]
    _drop_pending(now.desk, finding.signal.finding, kept)
    for decision in telling:
        if str(decision.recipient) not in finding.told:
            _tell(now, finding.signal, finding.steps, decision)


def _drop_pending(desk: Desk, finding: str, kept: Collection[str]) -> None:
    for key, item in list(desk.pending.items()):
        same = item.signal.finding == finding and not item.correction
        if same and str(item.recipient) not in kept:
            desk.drop("pending", key)


def _correct(now: _Now, signal: Signal, step: str, recipient: str, telling: Telling) -> None:
    """Tell one who was told: at once if they were told at once, else in the next digest."""
    school, _, staff = recipient.partition("/")
    item = Item(
        recipient=Recipient(school=school, staff=staff),
        signal=signal,
        steps=(step,),
        correction=True,
        after=now.at,
        channels=telling.channels,
        reason="was told of a signal that has been corrected",
    )
    if telling.send == "immediate":
        _send(now, "correction", item)
    else:
        now.desk.put("pending", item.key, item)


# School time and going live


def _reach(desk: Desk, partition: int, message: TimeReached, around: Around) -> None:
    before = desk.reached_by_all(around.partitions)
    desk.put("reached", str(partition), message)
    reached = desk.reached_by_all(around.partitions)
    if reached is None or reached == before:
        return
    if around.routing.start_list == "digest":
        _release_start_lists(_Now(desk, around, reached), desk.live)
    on = around.calendar.local_date(reached)

    def slot(recipient: Recipient) -> str:
        return slot_for(recipient, around.rosters.get(recipient.school), around.routing, on)

    for digest in due(desk.pending.values(), desk.findings, reached, slot, around.calendar):
        _send_digest(desk, digest, around)


def _send_digest(desk: Desk, digest: Due, around: Around) -> None:
    kind: Kind = "correction" if all(item.correction for item in digest.items) else "digest"
    outgoing = Outgoing(
        id=digest.id,
        kind=kind,
        recipient=digest.recipient,
        channels=digest.items[0].channels,
        items=digest.items,
        token=around.token(),
        made=digest.slot,
        at_slot=True,
    )
    post(desk, outgoing)
    for item in digest.items:
        desk.drop("pending", item.key)


def _go_live(desk: Desk, partition: int, message: SchoolLive, around: Around) -> None:
    """The start list is told, unless it is held; going live once more releases a held one."""
    first = desk.live.get(message.school)
    if first is None:
        desk.put("live", message.school, message)
    again = first is not None and message.at > first.at
    if again or around.routing.start_list == "digest":
        # Never before its partition's time: a slot that has been told must not be told again.
        reached = desk.reached.get(str(partition), message)
        now = _Now(desk, around, max(message.at, reached.at))
        _release_start_lists(now, [message.school])


def _release_start_lists(now: _Now, schools: Collection[str]) -> None:
    """Findings still open from history go into the next digest, whatever their level sends."""
    for key, finding in list(now.desk.findings.items()):
        if not finding.waiting or finding.signal.school not in schools:
            continue
        now.desk.put("findings", key, finding.model_copy(update={"waiting": False}))
        for decision in map(_in_digest, now.decisions(finding.signal)):
            _tell(now, finding.signal, finding.steps, decision)
            now.desk.routed.append("fallback" if decision.fallback else decision.send)


def _in_digest(decision: Decision) -> Decision:
    send: Send = "shown" if decision.send == "shown" else "digest"
    return replace(decision, send=send, reason=f"{decision.reason}; start list")
