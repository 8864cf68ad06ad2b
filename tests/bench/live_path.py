"""The whole live path, measured: entry in the server → fold → steps → checkpoint.

The real rules process with its default settings, on the embedded server with `appendfsync
always`. Everything is in the streams before folding begins, so that rules is never kept waiting;
the figures of each shape are medians of three runs. Linux only: CPU time is read from /proc.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from redis import Redis

from services.ingest.config_files import read_calendar, read_rulebook, send_config
from services.ingest.history import with_closes
from services.ingest.publish import Publisher
from services.ingest.roster import records
from services.ingest.simulated import roster, simulate
from services.ingest.store import IngestStore
from shared import streams
from shared.broker import make_client
from shared.calendar import SchoolCalendar
from shared.embedded import embedded_server
from shared.events import AttendanceEvent, Fact
from shared.settings import Settings
from tests.suite.processes import CONFIG, Service, Suite, behind, wait_until

RUNS = 3
SEED = 1
PARTITIONS: int = Settings.model_fields["partitions"].default
WANTED = 15.0
"""CPU seconds per million registrations, at most, with all rules of the default rulebook."""

TICKS: int = os.sysconf("SC_CLK_TCK")


class Shape(NamedTuple):
    """How much is folded."""

    schools: int
    pupils: int
    days: int

    def __str__(self) -> str:
        schools = "1 school" if self.schools == 1 else f"{self.schools} schools"
        return f"{schools} of {self.pupils} pupils, {self.days} school days"


class Run(NamedTuple):
    """What one run took: seconds by the clock, and of CPU by process."""

    seconds: float
    rules: float
    server: float


def main() -> int:
    """Measure both shapes; 1 when the larger takes more CPU than wanted."""
    print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}")
    many = measure(Shape(schools=10, pupils=400, days=47))
    measure(Shape(schools=1, pupils=400, days=85))
    return 0 if many <= WANTED else 1


def measure(shape: Shape) -> float:
    """Print a table for one shape; returns CPU seconds per million in all."""
    # On the disk of the working directory: where /tmp is memory, writing through costs nothing.
    with (
        tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder,
        embedded_server(Path(folder, "server")) as url,
        Redis.from_url(url) as client,
    ):
        events = asyncio.run(feed(url, shape))
        wait_until(lambda: not info(client)["aof_rewrite_in_progress"], "the server is at rest")
        print(f"\n{shape}: {events:,} registrations in {PARTITIONS} partitions, ", end="")
        print(" ".join(f"{key} {value}" for key, value in kept_how(client).items()))
        runs = []
        for number in range(RUNS):
            suite = Suite(url, Path(folder, f"run-{number}"), {"NARVARA_LOG_LEVEL": "WARNING"})
            runs.append(fold(client, suite))
        steps = sum(client.xlen(streams.case_steps(each)) for each in range(PARTITIONS))
        return show(runs, events, steps)


def kept_how(client: Redis) -> dict[str, str]:
    """How the server says that it keeps what it has answered."""
    found: Any = client.config_get("append*")
    return {key: found[key] for key in ("appendonly", "appendfsync")}


def info(client: Redis) -> dict[str, Any]:
    found: Any = client.info()
    return dict(found)


async def feed(url: str, shape: Shape) -> int:
    """Put a history into the streams as ingest packs it; returns its number of registrations."""
    client = make_client(url)
    calendar = read_calendar(CONFIG)
    publisher = Publisher(client, PARTITIONS, "bench", history=True)
    events = 0
    try:
        await send_config(IngestStore(client), publisher, calendar, read_rulebook(CONFIG))
        for fact in facts(calendar, shape):
            events += isinstance(fact, AttendanceEvent)
            await publisher.send(fact)
        await publisher.flush()
    finally:
        await client.aclose()
    return events


def facts(calendar: SchoolCalendar, shape: Shape) -> Iterator[AttendanceEvent | Fact]:
    """Who the pupils are, then their registrations as they were recorded, with day closes."""
    schools, pupils, days = shape
    who = roster(calendar, schools=schools, pupils=pupils, seed=SEED)
    yield from records(who.pupils, calendar.closes_at(calendar.school_days[0]))
    events = simulate(calendar, schools=schools, pupils=pupils, days=days, seed=SEED)
    yield from with_closes(events, calendar)


def fold(client: Redis, suite: Suite) -> Run:
    """One run of the rules process over all that is in the streams.

    It is held back by its leases until it is up, so that what is measured is the work and not
    the start of a Python process.
    """
    suite.environment |= {"NARVARA_PARTITIONS": str(PARTITIONS)}
    del suite.environment["NARVARA_CHECKPOINT_IDLE_SECONDS"]
    forget(client)
    leases = [streams.lease(partition) for partition in suite.partitions]
    for lease in leases:
        client.set(lease, "bench")
    rules = suite.begin("rules")
    try:
        wait_until(lambda: rules.page("/healthz")[0] == 200, "the rules process is up")
        server = int(info(client)["process_id"])
        client.delete(*leases)
        wait_until(lambda: bool(client.exists(*leases)), "the rules process holds a lease")
        before = (time.monotonic(), cpu_seconds(rules.process.pid), cpu_seconds(server))
        wait_until(lambda: done(client, rules), "all is folded", seconds=600)
        after = (time.monotonic(), cpu_seconds(rules.process.pid), cpu_seconds(server))
        assert rules.stop() == 0
    finally:
        suite.end()
    return Run(*(late - early for early, late in zip(before, after, strict=True)))


def done(client: Redis, rules: Service) -> bool:
    """Has every checkpoint passed the last entry? Asked seldom, since asking costs the server."""
    time.sleep(0.1)
    assert rules.alive, rules.log.read_text(encoding="utf-8")
    return not behind(client, range(PARTITIONS))


def forget(client: Redis) -> None:
    """Delete all that rules has written, and nothing that it reads."""
    written = (
        streams.pupils,
        streams.checkpoint,
        streams.position,
        streams.lease,
        streams.imports,
        streams.case_steps,
    )
    client.delete(*(key(partition) for key in written for partition in range(PARTITIONS)))


def cpu_seconds(process: int) -> float:
    """CPU of a process and its ended children so far, user and system."""
    stat = Path("/proc", str(process), "stat").read_text(encoding="utf-8")
    fields = stat.rpartition(")")[2].split()
    ticks = sum(int(each) for each in fields[11:15])
    return ticks / TICKS


def show(runs: Sequence[Run], events: int, steps: int) -> float:
    """Print the runs and their medians; returns the median of CPU seconds per million in all."""
    print(f"{'':8}{'seconds':>10}{'events/s':>12}   CPU s per million:", end="")
    print(f"{'rules':>8}{'server':>9}{'in all':>9}")
    rows = [figures(run, events) for run in runs]
    for number, row in enumerate(rows, start=1):
        print_row(f"run {number}", row)
    middle: list[float] = [median(column) for column in zip(*rows, strict=True)]
    print_row("median", middle)
    print(f"{steps} case steps; the seconds include the silence before the last checkpoint")
    return middle[-1]


def figures(run: Run, events: int) -> list[float]:
    million = 1_000_000 / events
    rules, server = run.rules * million, run.server * million
    return [run.seconds, events / run.seconds, rules, server, rules + server]


def print_row(name: str, row: Sequence[float]) -> None:
    seconds, rate, rules, server, both = row
    print(f"{name:8}{seconds:10.1f}{rate:12,.0f}{'':21}{rules:8.1f}{server:9.1f}{both:9.1f}")


if __name__ == "__main__":
    sys.exit(main())
