"""How fast a municipality is told, and what it costs to remember what could not be told yet.

A. 10,000 contact teachers of 100 schools each have two findings when their slot comes. The service
is the real process; so is the server, which writes to disk before it answers; the mail server
is a process of its own, and answers each command after 20 ms. Wanted: all digests out within 60 s.

B. The mail server is down, and 100,000 messages wait for another try. Wanted: after a restart the
process needs less than 100 MB more than one that has nothing to do.
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from redis import Redis

from services.notify.desk import Desk
from services.notify.outbox import Began, begin, not_sent
from services.notify.routing import Routing
from services.notify.standing import fold
from services.notify.store import LEASE, Store, key
from services.notify.telling import World, tell
from shared.broker import make_client
from shared.embedded import embedded_server
from shared.events import CaseStep, TimeReached
from shared.lease import Lease
from shared.roster import ROSTER, Roster
from shared.streams import BODY, case_steps, partition_of
from tests.notify.examples import CALENDAR, THURSDAY, WEDNESDAY, at, member, pupil, roster, step
from tests.suite.processes import Service, Suite

SCHOOLS, TEACHERS, PUPILS = 100, 100, 1000
"""Teachers and pupils of each school."""

PARTITIONS = 8
PAUSE = 0.02
"""Seconds before each of the mail server's answers."""

WANTED_SECONDS = 60
WAITING = 100_000
WANTED_MB = 100

_TICKS = os.sysconf("SC_CLK_TCK")


class Mailbox(asyncio.Protocol):
    """As little of a mail server as keeps it from being what is measured."""

    taken = connections = most = open = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cls = type(self)
        cls.connections, cls.open = cls.connections + 1, cls.open + 1
        cls.most = max(cls.most, cls.open)
        self._transport: Any = transport
        self._held, self._in_mail = b"", False
        self._answer(b"220 localhost")

    def connection_lost(self, _: Exception | None) -> None:
        type(self).open -= 1

    def data_received(self, data: bytes) -> None:
        self._held += data
        while True:
            end = b"\r\n.\r\n" if self._in_mail else b"\r\n"
            asked, found, rest = self._held.partition(end)
            if not found:
                return
            self._held = rest
            if self._in_mail:
                type(self).taken += 1
                self._in_mail = False
                self._answer(b"250 taken")
            else:
                self._command(asked[:4].upper())

    def _command(self, verb: bytes) -> None:
        self._in_mail = verb == b"DATA"
        self._answer({b"DATA": b"354 go on", b"QUIT": b"221 bye"}.get(verb, b"250 OK"))

    def _answer(self, reply: bytes) -> None:
        asyncio.get_running_loop().call_later(PAUSE, self._transport.write, reply + b"\r\n")


def serve_mail(told: Connection) -> None:
    """Tells its port; then, each time it is asked, what has come and what that cost."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Mailbox, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        while await loop.run_in_executor(None, told.recv):
            told.send((Mailbox.taken, Mailbox.connections, Mailbox.most, time.process_time()))

    asyncio.run(serve())


@contextmanager
def mail_server() -> Iterator[tuple[int, Connection]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve_mail, args=(theirs,))
    process.start()
    yield ours.recv(), ours
    ours.send(False)
    process.join()


def school(number: int) -> str:
    return f"skola-{number}"


def teacher(pupil_number: int) -> str:
    return f"kt-{pupil_number % TEACHERS}"


def a_school(name: str) -> Roster:
    """All schools are alike but for their names."""
    staff = [member(f"kt-{number}", "contact_teacher") for number in range(TEACHERS)]
    pupils = [
        pupil(f"elev-{number}", teacher(number), school_class=f"{number % TEACHERS}A")
        for number in range(PUPILS)
    ]
    known = roster(*staff, *pupils, member("eht-1", "eht"))
    return Roster(
        school=name,
        pupils=tuple(row.model_copy(update={"school": name}) for row in known.pupils),
        staff=tuple(row.model_copy(update={"school": name}) for row in known.staff),
    )


def a_step(name: str, number: int, rule: str, level: int = 2) -> CaseStep:
    about = f"elev-{number}"
    identity = f"{partition_of(name, about, 1 << 30):08x}{partition_of(rule, about, 1 << 30):08x}"
    return step(
        step_id=identity * 2,
        school=name,
        pupil=about,
        rule=rule,
        level=level,
        audience=("contact_teacher",),
    )


def rosters(url: str) -> dict[str, Roster]:
    """The schools' rosters, written as ingest does."""
    with Redis.from_url(url) as client:
        known = {school(number): a_school(school(number)) for number in range(SCHOOLS)}
        for name, each in known.items():
            client.hset(ROSTER, name, each.model_dump_json(by_alias=True))
    return known


def put(url: str, messages: Mapping[int, list[Any]]) -> None:
    """Messages by partition."""
    with Redis.from_url(url) as client:
        for partition, many in messages.items():
            pipe = client.pipeline(transaction=False)
            for each in many:
                pipe.xadd(case_steps(partition), {BODY: each.model_dump_json()})
            pipe.execute()


def passes(url: str, when: datetime) -> None:
    put(url, {partition: [TimeReached(at=when)] for partition in range(PARTITIONS)})


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> float:
    """MB of a process in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def folded(client: Redis) -> bool:
    for partition in range(PARTITIONS):
        newest: Any = client.xrevrange(case_steps(partition), count=1)
        if client.get(f"position:{{notify}}:{partition}") != newest[0][0]:
            return False
    return True


def wait(holds: Any, seconds: float = 600) -> float:
    """Seconds until something holds."""
    begun = time.perf_counter()
    while not holds():
        if time.perf_counter() - begun > seconds:
            raise TimeoutError(f"waited {seconds:g} s in vain")
        time.sleep(0.05)
    return time.perf_counter() - begun


def service(url: str, folder: Path, port: int) -> Service:
    folder.mkdir(parents=True)
    suite = Suite(
        url,
        folder,
        {
            "NARVARA_PARTITIONS": str(PARTITIONS),
            "NARVARA_SMTP_HOST": "127.0.0.1",
            "NARVARA_SMTP_PORT": str(port),
            "NARVARA_SMTP_TLS": "none",
            "NARVARA_MAIL_FROM": "narvara@skola.example",
            "NARVARA_PUBLIC_URL": "https://narvara.skola.example",
        },
    )
    return suite.begin("notify")


def digests(url: str, folder: Path) -> bool:
    """A: everybody's digest."""
    teachers = SCHOOLS * TEACHERS
    rosters(url)
    steps: dict[int, list[Any]] = {partition: [] for partition in range(PARTITIONS)}
    for number in range(SCHOOLS):
        for about in range(2 * TEACHERS):
            found = a_step(school(number), about, "high-absence")
            home = partition_of(found.school, found.pupil, PARTITIONS)
            steps[home].append(found)
    with Redis.from_url(url) as client, mail_server() as (port, asked):
        passes(url, at(WEDNESDAY, "16:45"))
        put(url, steps)
        notify = service(url, folder, port)
        notify.wait_until_ready()
        took = wait(lambda: folded(client))
        print(f"{2 * teachers} steps of {SCHOOLS} schools folded in {took:.1f} s")
        server = int(client.info("server")["process_id"])
        asked.send(True)
        before, notify_cpu, server_cpu = asked.recv(), cpu(notify.process.pid), cpu(server)
        begun = time.perf_counter()
        passes(url, at(THURSDAY, "15:00"))

        def all_taken() -> bool:
            asked.send(True)
            return bool(asked.recv()[0] >= teachers)

        first = wait(lambda: client.hlen(key("outbox")) > 0)
        wait(all_taken)
        taken = time.perf_counter() - begun
        wait(lambda: not client.hlen(key("outbox")) and not client.hlen(key("said")))
        settled = time.perf_counter() - begun
        asked.send(True)
        after = asked.recv()
        notify_cpu, server_cpu = cpu(notify.process.pid) - notify_cpu, cpu(server) - server_cpu
        memory = resident(notify.process.pid)
        print(
            f"A. {after[0]} digests taken in {taken:.1f} s (the first made after {first:.1f} s), "
            f"all written and said after {settled:.1f} s; CPU: notify {notify_cpu:.1f} s, Redis "
            f"{server_cpu:.1f} s, mail server {after[3] - before[3]:.1f} s; "
            f"{after[1]} connections, {after[2]} at most at a time; {memory:.0f} MB"
        )
        assert notify.alive, notify.log.read_text(encoding="utf-8")[-2000:]
        notify.stop()
    return taken <= WANTED_SECONDS and after[0] == teachers


async def _write_waiting(url: str, known: Mapping[str, Roster]) -> None:
    """What is in the store when 100,000 messages of level 3 have been tried in vain."""
    client = make_client(url)
    lease = Lease(client, LEASE, 3600)
    await lease.acquire()
    store, desk, tokens = Store(client, lease), Desk(), count()
    world = World(Routing(), CALENDAR, known, PARTITIONS, lambda: f"{next(tokens):022}")
    later = time.time() + 3600
    when = at(WEDNESDAY, "07:00")
    for partition in range(PARTITIONS):
        fold(desk, partition, TimeReached(at=when), CALENDAR)
    for turn in range(WAITING // SCHOOLS // TEACHERS):
        # One message per teacher and hour: more would be a storm.
        before, when = when, when + timedelta(hours=1)
        for number in range(SCHOOLS):
            for place in range(TEACHERS):
                found = a_step(school(number), turn * TEACHERS + place, "high-absence", 3)
                home = partition_of(found.school, found.pupil, PARTITIONS)
                fold(desk, home, found, CALENDAR)
        for partition in range(PARTITIONS):
            fold(desk, partition, TimeReached(at=when), CALENDAR)
        for message in tell(desk, world, before, when):
            tried = begin(desk, message, WEDNESDAY, Began("email", later, later))
            not_sent(desk, tried)
            desk.put("outbox", message.id, tried.but(in_doubt=False))
        await store.write(desk.take_changes())
    await lease.release()
    await client.aclose()


def waiting(url: str, folder: Path) -> bool:
    """B: what waits for the next try, after a restart."""
    known = rosters(url)
    with Redis.from_url(url) as client:
        passes(url, at(WEDNESDAY, "08:00"))
        idle = service(url, folder / "idle", 1)
        idle.wait_until_ready()
        wait(lambda: folded(client))
        time.sleep(2)
        least = resident(idle.process.pid)
        idle.stop()
        before = client.info("memory")["used_memory"] / 2**20
        asyncio.run(_write_waiting(url, known))
        after = client.info("memory")["used_memory"] / 2**20
        outbox = int(client.hlen(key("outbox")))

        begun = time.perf_counter()
        again = service(url, folder / "again", 1)
        again.wait_until_ready()
        took = time.perf_counter() - begun
        time.sleep(3)
        most = resident(again.process.pid)
        left = int(client.hlen(key("outbox")))
        print(
            f"B. {outbox} messages wait: ready {took:.1f} s after the start, {most:.0f} MB, idle "
            f"{least:.0f} MB: {most - least:.0f} MB more; Redis {after - before:.0f} MB more; "
            f"{left} still wait"
        )
        begun = time.perf_counter()
        passes(url, at(THURSDAY, "09:00"))
        wait(lambda: folded(client) or not again.alive)
        looked, peak = time.perf_counter() - begun, resident(again.process.pid)
        print(
            f"   the next day's first quarter-hour took {looked:.1f} s, {peak:.0f} MB with rosters"
        )
        assert again.alive, again.log.read_text(encoding="utf-8")[-2000:]
        again.stop()
    return most - least < WANTED_MB and left == outbox == WAITING


def main() -> None:
    measured = {"A": digests, "B": waiting}
    wanted = sys.argv[1:] or list(measured)
    met = []
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder) / "data") as url:
            (Path(folder) / "run").mkdir()
            met.append(measured[name](url, Path(folder) / "run" / name))
    sys.exit(not all(met))


if __name__ == "__main__":
    main()
