"""What a step, the time or a school going live changes in what is to be told.

Detection decides that something happened, and the step says so; here is decided only who is
told, when, and what has to be taken back. The same entries from the same desk give the same
rows, but for the tokens, which are drawn by the caller and only count once they are written.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from services.notify.desk import (
    Desk,
    Fate,
    Finding,
    Held,
    Item,
    Kind,
    Outbreak,
    Outgoing,
    Recipient,
    Send,
    Signal,
    Telling,
    finding_of,
    signal_of,
)
from services.notify.digest import Due, due, in_order
from services.notify.holding import held_from, why_held
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

    def why_held(self, finding: Finding) -> str:
        roster = self.around.rosters.get(finding.signal.school)
        on = self.around.calendar.local_date(self.at)
        return why_held(finding, self.desk.outbreaks.values(), roster, on)


def schools_involved(desk: Desk, messages: Iterable[CaseMessage]) -> set[str]:
    """The schools whose rosters `advance` may ask for."""
    schools = set()
    for message in messages:
        if isinstance(message, TimeReached):
            schools |= {item.recipient.school for item in desk.pending.values()}
            owed = [each for each in desk.findings.values() if each.waiting or each.held]
            schools |= {each.signal.school for each in owed}
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
    key = finding_of(step)
    known = desk.findings.get(key) if step.kind is StepKind.RAISED else None
    opened = known.signal.opened if known else step.step_id
    finding = Finding(
        signal=signal_of(step, opened, step.level),
        steps=(*(known.steps if known else ()), step.step_id),
        risen=step.as_of,
        waiting=step.history and not step.shadow,
        shadow=step.shadow,
        held_until=step.held_until,
        held=known.held if known else None,
        told=known.told if known else {},
    )
    desk.put("findings", key, finding)
    if known:
        _write_fate(desk, step, opened, step.level)
    _damp(now, step, step.damps)
    if finding.waiting:
        desk.routed.append("history")
        return
    _settle(now, finding, (step.step_id,))


def _settle(now: _Now, finding: Finding, steps: tuple[str, ...] = ()) -> None:
    """Tell of `steps` and of what was held; or hold them, and all that is unsent of the finding."""
    reason = now.why_held(finding)
    if reason:
        _hold(now.desk, finding, steps, reason)
        if steps:
            now.desk.routed.append("shadow" if finding.shadow else "held")
        return
    held = finding.held.steps if finding.held else ()
    if held or steps:
        for decision in _release(now, finding, (*held, *steps)):
            now.desk.routed.append("fallback" if decision.fallback else decision.send)


def _release(now: _Now, finding: Finding, steps: tuple[str, ...]) -> list[Decision]:
    """Tell those who are to know by the routes and don't; returns the decisions taken.

    What comes from history goes into the next digest, whatever its level sends.
    """
    free = finding.model_copy(update={"waiting": False, "held": None})
    if free != finding:
        now.desk.put("findings", finding.signal.finding, free)
    at_once = replace(now, at=held_from(finding, now.at, now.around.calendar))
    taken = []
    for decision in now.decisions(finding.signal):
        told = finding.told.get(str(decision.recipient))
        if told is not None and told.level >= finding.signal.level:
            continue
        chosen = _in_digest(decision) if finding.waiting else decision
        if finding.held:
            chosen = replace(chosen, reason=f"{chosen.reason}; {finding.held.reason}")
        urgent = chosen.send == "immediate"
        _tell(at_once if urgent else now, finding.signal, steps, chosen)
        taken.append(chosen)
    return taken


def _hold(desk: Desk, finding: Finding, steps: tuple[str, ...], reason: str) -> None:
    """Nothing unsent of a finding stays on its way; one in doubt does, and counts as told."""
    key = finding.signal.finding
    waiting = {*steps, *(finding.held.steps if finding.held else ())}
    told = dict(finding.told)
    for item in list(desk.pending.values()):
        if _signals(item, key):
            waiting.update(item.steps)
            desk.drop("pending", item.key)
    for message, item in _messages_with(desk, key):
        if message.in_doubt:
            told[str(message.recipient)] = told_by(message, item)
        else:
            waiting.update(item.steps)
            _take_out(desk, message, item)
    if waiting:
        in_turn = tuple(step for step in finding.steps if step in waiting)
        # What a rule in trial finds is owed to nobody, not even when the trial ends.
        held = None if finding.shadow else Held(steps=in_turn, reason=reason)
        desk.put("findings", key, finding.model_copy(update={"held": held, "told": told}))


def _damp(now: _Now, step: CaseStep, damps: tuple[str, ...]) -> None:
    """A unit's step says what waits for the pupils of its class from here on, and what no more."""
    desk, key = now.desk, finding_of(step)
    before = desk.outbreaks.get(key)
    after = None
    if damps and not step.shadow:
        after = Outbreak(
            school=step.school, unit=step.unit, rule=step.rule, damps=damps, since=step.since
        )
    if after == before:
        return
    if after:
        desk.put("outbreaks", key, after)
    else:
        desk.drop("outbreaks", key)
    concerned = {rule for each in (before, after) if each for rule in each.damps}
    for finding in list(desk.findings.values()):
        if finding.signal.school == step.school and finding.signal.rule in concerned:
            _settle(now, finding)


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
    """Put one item in the outbox; a message of the same kind and time not yet tried takes it up.

    What waits there of the same finding for another time is told with it, and not once more.
    """
    for message in _untried(now.desk, kind, item.recipient):
        for earlier in message.items:
            if earlier.key == item.key:
                steps = (step for step in earlier.steps if step not in item.steps)
                item = item.model_copy(update={"steps": (*steps, *item.steps)})
                _take_out(now.desk, message, earlier)
    for message in _untried(now.desk, kind, item.recipient):
        if message.made == now.at:
            items = in_order((*message.items, item))
            post(now.desk, message.model_copy(update={"items": items}))
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


def _untried(desk: Desk, kind: Kind, recipient: Recipient) -> list[Outgoing]:
    return [
        message
        for message in desk.outbox.values()
        if (message.kind, message.recipient) == (kind, recipient)
        and not (message.attempts or message.failed or message.in_doubt)
    ]


# Steps that take back


def _fall(now: _Now, step: CaseStep) -> None:
    """Retracted or cleared: what stands is changed, unsent words withdrawn, sent ones corrected."""
    desk = now.desk
    key = finding_of(step)
    finding = desk.findings.get(key)
    if finding is None:
        return
    before, level = finding.signal, step.remaining or 0
    _write_fate(desk, step, before.opened, level)
    told = {**finding.told, **_withdraw(desk, key)}
    if level:
        left = {
            "signal": signal_of(step, before.opened, level),
            "shadow": step.shadow,
            "told": {recipient: _known_of(each, level) for recipient, each in told.items()},
        }
        _keep_telling(now, finding.model_copy(update=left))
    else:
        desk.drop("findings", key)
        _drop_pending(desk, key, kept=())
    if key in desk.outbreaks:
        _damp(now, step, desk.outbreaks[key].damps if level else ())
    if step.kind is StepKind.RETRACTED and not step.history:
        for recipient, telling in told.items():
            if telling.level > level:
                _correct(now, before, step.step_id, recipient, telling)


def _known_of(telling: Telling, level: int) -> Telling:
    """What was told, when only `level` is left of it."""
    return telling.model_copy(update={"level": min(telling.level, level)})


def _write_fate(desk: Desk, step: CaseStep, opened: str, level: int) -> None:
    desk.put("fates", opened, Fate(kind=step.kind, level=level, as_of=step.as_of))


def _withdraw(desk: Desk, finding: str) -> dict[str, Telling]:
    """Take a finding out of the outbox; returns who may have been told of it, and how.

    One in doubt that tells of other findings too stays: its page says what has become of this.
    """
    doubtful = {}
    for message, item in _messages_with(desk, finding):
        if message.in_doubt:
            doubtful[str(message.recipient)] = told_by(message, item)
        if not message.in_doubt or len(message.items) == 1:
            _take_out(desk, message, item)
    return doubtful


def _messages_with(desk: Desk, finding: str) -> list[tuple[Outgoing, Item]]:
    """The messages in the outbox that tell of a finding, and the item that does."""
    return [
        (message, item)
        for message in desk.outbox.values()
        for item in message.items
        if _signals(item, finding)
    ]


def _signals(item: Item, finding: str) -> bool:
    return item.signal.finding == finding and not item.correction


def _take_out(desk: Desk, message: Outgoing, item: Item) -> None:
    others = tuple(each for each in message.items if each.key != item.key)
    if others:
        post(desk, message.model_copy(update={"items": others}))
    else:
        desk.drop("outbox", message.id)


def _keep_telling(now: _Now, finding: Finding) -> None:
    """A level is left: who is to be told of it by the routes, and is not told yet, still is."""
    now.desk.put("findings", finding.signal.finding, finding)
    if reason := now.why_held(finding):
        _hold(now.desk, finding, (), reason)
    elif finding.held or not finding.waiting:
        telling = (each for each in now.decisions(finding.signal) if each.send != "shown")
        kept = [str(decision.recipient) for decision in telling]
        _drop_pending(now.desk, finding.signal.finding, kept)
        _release(now, finding, finding.steps)


def _drop_pending(desk: Desk, finding: str, kept: Collection[str]) -> None:
    for key, item in list(desk.pending.items()):
        if _signals(item, finding) and str(item.recipient) not in kept:
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
    _release_held(_Now(desk, around, before or reached), reached)
    on = around.calendar.local_date(reached)

    def slot(recipient: Recipient) -> str:
        return slot_for(recipient, around.rosters.get(recipient.school), around.routing, on)

    for digest in due(desk.pending.values(), desk.findings, reached, slot, around.calendar):
        _send_digest(desk, digest, around)


def _release_held(now: _Now, reached: datetime) -> None:
    """What was held until a day that has come is told, in its digests or at its close.

    It counts as come when the day began, so that a slot passed only now takes it along; never
    before the last time that all had reached, whose slots have been told.
    """
    for finding in list(now.desk.findings.values()):
        if finding.held is None:
            continue
        began = _start_of(finding, now)
        then = replace(now, at=max(now.at, began))
        if began <= reached and not then.why_held(finding):
            _settle(then, finding)


def _start_of(finding: Finding, now: _Now) -> datetime:
    """The first instant of the day until which a finding is held."""
    until = finding.held_until
    return datetime.combine(until, time(), now.around.calendar.zone) if until else now.at


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
    for finding in list(now.desk.findings.values()):
        if finding.waiting and not finding.held and finding.signal.school in schools:
            _settle(now, finding, finding.steps)


def _in_digest(decision: Decision) -> Decision:
    send: Send = "shown" if decision.send == "shown" else "digest"
    return replace(decision, send=send, reason=f"{decision.reason}; start list")
