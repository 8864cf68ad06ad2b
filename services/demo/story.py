"""The demo's course: make the school, import its autumn, live a week, and tell what happens."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from redis.asyncio import Redis
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from services.demo.inbox import Received
from services.demo.school import School
from services.ingest.app import turn_clock
from services.ingest.config_files import read_rulebook, send_config
from services.ingest.imports import Import, Report, Rows, digest_of, go_live, send_roster
from services.ingest.profile import CANONICAL
from services.ingest.publish import Publisher
from services.ingest.roster import read_roster
from services.ingest.school_time import QUARTER
from services.ingest.settings import Settings
from services.ingest.store import IngestStore
from services.rules.report import AUDIENCES, KINDS, line_of
from shared import streams
from shared.broker import text
from shared.events import CASE_MESSAGE, AttendanceEvent, CaseStep, StepKind, TimeReached
from shared.streams import entry_order

WEEKDAYS = ("mån", "tis", "ons", "tor", "fre", "lör", "sön")
_MORNING, _EVENING = time(7), time(18)

HISTORY = "demo-history"
WEEK = "demo:{ingest}"
"""Hash: `week`, the live week that is being lived; a second start carries on from it."""


@dataclass
class Story:
    """One run of the demo, told on `console`."""

    school: School
    settings: Settings
    client: Redis
    console: Console
    speed: float
    """School hours a second; 0: as fast as it goes."""
    steps: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    people: dict[str, str] = field(default_factory=dict)
    """Addresses → who reads them: a role and an id, never a name."""

    def __post_init__(self) -> None:
        self.store = IngestStore(self.client)
        self.now: datetime | None = None
        partitions = range(self.settings.partitions)
        self.told_after = dict.fromkeys(partitions, "0-0")
        self.forwarded = dict.fromkeys(partitions, datetime.min.replace(tzinfo=UTC))

    def received(self, message: Received) -> None:
        """A message has come to the inbox."""
        self.messages[message.kind] += 1
        sign = "✉" if message.kind == "e-post" else "☎"
        who = self.people.get(message.to, "okänd mottagare")
        at = datetime.fromisoformat(message.at).astimezone(self.school.calendar.zone)
        self.console.print(
            f"  [magenta]{sign} {_when(at)}  {message.kind} till {who}[/]"
            f"  [dim]{message.subject or message.text.splitlines()[0]}[/]",
            soft_wrap=True,
        )

    async def prepare(self, progress: Progress) -> None:
        """The school's files, its roster, and its autumn as history; what is there stays."""
        task = progress.add_task("En skola simuleras / a school is simulated", total=None, now="")
        await asyncio.to_thread(self.school.make)
        progress.update(task, total=1, completed=1)
        roster = read_roster(self.school.folder)
        for member in roster.staff:
            roles = ", ".join(AUDIENCES[role] for role in member.roles)
            self.people |= dict.fromkeys((member.email, member.mobile), f"{roles} {member.staff}")
        publisher = Publisher(self.client, self.settings.partitions, HISTORY, history=True)
        rulebook = read_rulebook(self.settings.config_dir)
        await send_config(self.store, publisher, self.school.calendar, rulebook)
        first = self.school.calendar.school_days[0]
        await send_roster(self.store, publisher, roster, self.school.calendar.closes_at(first))
        await self._history(progress, publisher)

    async def _history(self, progress: Progress, publisher: Publisher) -> None:
        report = Report()
        total = await asyncio.to_thread(_lines, self.school)
        task = progress.add_task("Hösten läses in / the autumn is imported", total=total, now="")
        work = Import(
            self.store,
            publisher,
            self.settings.partitions,
            Rows([self.school.history], CANONICAL, report),
            report,
            lambda done: progress.update(task, completed=done),
        )
        live = await self.store.live()
        if not live:
            digest = digest_of([self.school.history])
            await work.history(self.school.calendar, digest, self.school.folder, HISTORY)
            await self._folded(publisher)
        progress.update(task, completed=total)
        await self._skip_told()

    async def _folded(self, publisher: Publisher) -> None:
        """Wait until rules has folded what was sent."""
        for partition, entry_id in publisher.last.items():
            while entry_order(await self.store.checkpoint(partition)) < entry_order(entry_id):
                await asyncio.sleep(0.05)

    async def _skip_told(self) -> None:
        """What was found in the autumn is history: count it, tell nothing."""
        open_findings: set[tuple[str, str]] = set()
        found = 0
        async for step in self._new_steps():
            found += step.kind is StepKind.OPENED
            case = (f"{step.school}/{step.pupil}", step.rule)
            if step.kind is StepKind.CLEARED or step.remaining == 0:
                open_findings.discard(case)
            else:
                open_findings.add(case)
        pupils = len({pupil for pupil, _ in open_findings})
        self.console.print(
            f"Hittills: {found} signaler, {len(open_findings)} öppna om {pupils} elever. "
            f"[dim]So far: {found} findings, {len(open_findings)} open on {pupils} pupils.[/]\n"
        )

    async def live(self, progress: Progress) -> bool:
        """Live the week that is next; False when the calendar has no more."""
        number = int(text(await self.client.hget(WEEK, "week") or b"0"))
        days = self.school.week(number)
        if not days:
            self.console.print("Kalendern är slut. [dim]The calendar has ended.[/]")
            return False
        await self.client.hset(WEEK, "week", str(number))
        now = await self.store.simulated_now() or self.school.live_from
        ticks = list(_ticks(now, days, self.school.calendar.zone))
        task = progress.add_task(_label(days), total=len(ticks), now="")
        publisher = Publisher(self.client, self.settings.partitions, f"demo-week-{number}")
        if not await self.store.live():
            await self._go_live(publisher, days[0])
        events = self.school.live(now, days[-1])
        await self._live_through(ticks, events, publisher, progress, task)
        await self.client.hset(WEEK, "week", str(number + 1))
        return True

    async def _go_live(self, publisher: Publisher, first: date) -> None:
        for school in sorted(await self.store.closed()):
            await go_live(self.store, publisher, school, first, self.school.live_from)

    async def _live_through(
        self,
        ticks: list[datetime],
        events: Iterator[AttendanceEvent],
        publisher: Publisher,
        progress: Progress,
        task: TaskID,
    ) -> None:
        """Tick by tick: what was recorded by then comes first, then the clock moves there."""
        waiting = next(events, None)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for tick in ticks:
            while waiting is not None and waiting.recorded_at <= tick:
                await publisher.send(waiting)
                waiting = next(events, None)
            await publisher.flush()
            self.now = tick
            await turn_clock(self.store, tick)
            await self._catch_up(tick)
            progress.update(task, advance=1, now=_when(tick.astimezone(self.school.calendar.zone)))
            if self.speed:
                due = max(due + 0.25 / self.speed, loop.time() - 1)
                await asyncio.sleep(max(0, due - loop.time()))

    async def _catch_up(self, tick: datetime, seconds: float = 10) -> None:
        """Let the services tell what a tick brought before the next one, so that times are true.

        A service that is just being started again is not waited for longer than `seconds`.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._tell_steps()
                    if all(at >= tick for at in self.forwarded.values()) and await self._told():
                        return
                    await asyncio.sleep(0.01)

    async def _told(self) -> bool:
        """Has notify read all steps, and sent what it has to send?"""
        for partition, newest in self.told_after.items():
            position = await self.client.get(f"position:{{notify}}:{partition}")
            if entry_order(text(position or b"0-0")) < entry_order(newest):
                return False
        return not await self.client.hlen("outbox:{notify}")

    async def _tell_steps(self) -> None:
        async for step in self._new_steps():
            self.steps[step.kind] += 1
            self.console.print(line_of(step), soft_wrap=True)

    async def _new_steps(self) -> Any:
        for partition, after in self.told_after.items():
            entries: Any = await self.client.xrange(streams.case_steps(partition), min=f"({after}")
            for entry_id, fields in entries:
                self.told_after[partition] = text(entry_id)
                message = CASE_MESSAGE.validate_json(fields[streams.BODY])
                if isinstance(message, CaseStep):
                    yield message
                elif isinstance(message, TimeReached):
                    self.forwarded[partition] = message.at

    def summary(self) -> None:
        """What the run has brought."""
        kinds = ", ".join(f"{self.steps[kind]} {KINDS[kind]}" for kind in StepKind)
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(self.messages.items()))
        self.console.print(
            f"\nVeckan: {sum(self.steps.values())} steg ({kinds}); {told or 'inga meddelanden'}. "
            f"[dim]The week: {sum(self.steps.values())} steps, "
            f"{sum(self.messages.values())} messages.[/]"
        )


def week_progress(console: Console) -> Progress:
    """The bars below what is told."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[now]}"),
        console=console,
        disable=not console.is_terminal,
    )


def _ticks(now: datetime, days: tuple[date, ...], zone: Any) -> Iterator[datetime]:
    """Quarter-hours of the days ahead; nights are passed over in one leap."""
    for day in days:
        tick = datetime.combine(day, _MORNING, zone)
        while tick <= datetime.combine(day, _EVENING, zone):
            if tick > now:
                yield tick
            tick += QUARTER
    end = datetime.combine(days[-1] + timedelta(days=1), time(0), zone)
    if end > now:
        yield end


def _when(at: datetime) -> str:
    return f"{WEEKDAYS[at.weekday()]} {at:%d/%m %H:%M}"


def _label(days: tuple[date, ...]) -> str:
    week = days[0].isocalendar().week
    return f"Vecka {week} i realtid / week {week} live"


def _lines(school: School) -> int:
    with school.history.open("rb") as lines:
        return sum(1 for _ in lines) - 1
