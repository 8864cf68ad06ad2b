"""Kill -9 of notify at every effect it has outside: each person is told each step, and once.

The process is real, and so are the mail server and the SMS gateway's stand-in, which survive and
fail as they are told to. A message comes twice only when a gateway had taken it and the process
died, or heard no answer, before the ledger had it; then under the same Message-ID.
"""

import os
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from redis import Redis

from services.notify.rows import Asked, Page
from services.notify.store import LEASE, key
from shared.events import FACT, CaseMessage, CaseStep, CaseTold, TimeReached
from shared.roster import ROSTER, Roster
from shared.streams import BODY, attendance, case_steps, partition_of
from tests.notify.examples import SCHOOL, THURSDAY, WEDNESDAY, at, member, pupil, roster, step
from tests.notify.gateways import MailServer, SmsGateway, mail_server, sms_gateway
from tests.suite.forking import forks
from tests.suite.processes import COMMAND, SECONDS, Suite
from tests.suite.wires import address_of, http_talk, redis_talk, smtp_talk, wire
from tests.suite.witness import IN_THE_WINDOW, POINTS, Point, Process, Witness

PARTITIONS = 2
STALLED = 1.0
"""Seconds after which the service gives up waiting for a gateway."""

RULES = ("high-absence", "late-arrivals")
TEACHERS = {
    "elev-1": ("kt-1",),
    "elev-2": ("kt-1",),
    "elev-3": ("kt-2",),
    "elev-4": ("kt-1", "kt-2"),
    "elev-5": ("kt-3",),
}
STAFF = {
    "eht": ("eht-1", "eht-2"),
    "rektor": ("rektor-1", "rektor-2"),
    "admin": ("admin-1", "admin-2"),
}
MOBILES = {
    name: f"+4670000000{number}"
    for number, name in enumerate(("kt-3", "eht-1", "rektor-1", "rektor-2", "admin-1", "admin-2"))
}
"""eht-1 is told of several findings within seconds: after a crash, only what the gateway has listed
beyond what is known of other messages tells whether one of them got through."""

SLOTS = [THURSDAY + timedelta(weeks=week) for week in (1, 2, 3)]

ROUTE = """routes:
  - {audience: [rektor, admin], send: immediate, channels: [sms, email]}
"""

MAIL_FAULTS = (
    ("connect", "421 4.3.2 not now"), ("connect", "drop"), ("EHLO", "drop"),
    ("MAIL", "451 4.3.0 busy"), ("MAIL", "drop"), ("MAIL", "stall"),
    ("RCPT", "450 4.2.0 greylisted"), ("RCPT", "550 5.7.1 no"), ("RCPT", "drop"),
    ("DATA", "451 4.3.0 busy"), ("DATA", "554 5.7.1 no"), ("DATA", "drop"),
    ("content", "452 4.2.2 full"), ("content", "554 5.6.0 no"), ("content", "drop"),
    ("content", "drop"), ("content", "stall"),
)  # fmt: skip

RARE = ("SMS", "look-up", "put back", "crossed out")
"""A life may see one of these alone."""

TRANSIENT = [each for each in MAIL_FAULTS if each[1] in {"drop", "stall"} or each[1][0] == "4"]

Start = Callable[[dict[str, str], Path], Process]


def school() -> Roster:
    """Whoever has no mobile gets mail alone."""
    teachers = [(name, "contact_teacher") for name in ("kt-1", "kt-2", "kt-3")]
    others = [(name, role) for role, names in STAFF.items() for name in names]
    return roster(
        *(member(name, role, mobile=MOBILES.get(name, "")) for name, role in teachers + others),
        *(pupil(name, *teachers) for name, teachers in TEACHERS.items()),
    )


def audience_of(finding: CaseStep) -> set[str]:
    """The staff ids of those who are to be told."""
    found = {name for role, names in STAFF.items() if role in finding.audience for name in names}
    return found | (
        set(TEACHERS[finding.pupil]) if "contact_teacher" in finding.audience else set()
    )


@dataclass
class Week:
    """What comes to a school, and what stands of it in the end."""

    random: Random
    standing: dict[tuple[str, str], CaseStep] = field(default_factory=dict)
    """By pupil and rule the newest step that opened or raised it."""
    opened: dict[str, str] = field(default_factory=dict)
    """By step that opened or raised, the one that opened it."""
    retracted: list[str] = field(default_factory=list)
    """By what opened it."""
    steps: dict[str, CaseStep] = field(default_factory=dict)

    def quarter_hours(self) -> Iterator[tuple[datetime, list[CaseStep]]]:
        """Times, and what has come since the one before."""
        teachers = ("contact_teacher",)
        of_one = self._rises("elev-5", "high-absence", 2, WEDNESDAY, teachers)
        yield at(WEDNESDAY, "08:00"), [of_one, *self._some(WEDNESDAY)]
        yield at(WEDNESDAY, "08:15"), [self._rises("elev-1", "first", 4, WEDNESDAY, ("rektor",))]
        for clock in ("09:00", "10:15", "11:30", "12:45"):
            yield at(WEDNESDAY, clock), self._some(WEDNESDAY)
        yield at(THURSDAY, "08:15"), [self._rises("elev-1", "second", 4, THURSDAY, ("admin",))]
        for clock in ("13:45", "15:00", "16:15", "17:30"):
            yield at(THURSDAY, clock), self._some(THURSDAY)

    def _some(self, on: date) -> list[CaseStep]:
        pupils = [each for each in TEACHERS if each != "elev-5"]
        return [
            self._change(self.random.choice(pupils), self.random.choice(RULES), on)
            for _ in range(self.random.choice((0, 1, 1, 2)))
        ]

    def _change(self, pupil: str, rule: str, on: date) -> CaseStep:
        known = self.standing.get((pupil, rule))
        if known is None:
            return self._rises(pupil, rule, self.random.choice((2, 2, 3)), on)
        what = self.random.choice(("raised", "retracted", "retracted", "cleared"))
        if what == "raised" and known.level < 4:
            return self._rises(pupil, rule, known.level + 1, on)
        return self._falls(known, "cleared" if what == "cleared" else "retracted", on)

    def _rises(
        self, pupil: str, rule: str, level: int, on: date, audience: tuple[str, ...] = ()
    ) -> CaseStep:
        known = self.standing.get((pupil, rule))
        everyone = ("contact_teacher", "eht") if level > 2 else ("contact_teacher",)
        risen = self._step(
            "raised" if known else "opened",
            level=level,
            pupil=pupil,
            rule=rule,
            as_of=on,
            audience=audience or everyone,
        )
        self.standing[pupil, rule] = risen
        self.opened[risen.step_id] = self.opened[known.step_id] if known else risen.step_id
        return risen

    def _falls(self, known: CaseStep, kind: Any, on: date) -> CaseStep:
        del self.standing[known.pupil, known.rule]
        if kind == "retracted":
            self.retracted.append(self.opened[known.step_id])
        return self._step(
            kind,
            level=known.level,
            pupil=known.pupil,
            rule=known.rule,
            as_of=on,
            audience=known.audience,
            remaining=0 if kind == "retracted" else None,
        )

    def _step(self, kind: Any, **fields: Any) -> CaseStep:
        name = f"step-{len(self.steps)}"
        self.steps[name] = step(kind, step_id=name, **fields)
        return self.steps[name]


@dataclass
class Figures:
    """What happened in some runs."""

    runs: int = 0
    lives: int = 0
    messages: int = 0
    """Different ones, per recipient."""
    items: int = 0
    """Steps and corrections told, per recipient."""
    repeated: int = 0
    """Copies beside the first."""
    doubts: int = 0
    """That excuse one copy each."""
    faults: int = 0
    facts: int = 0
    facts_twice: int = 0
    kills: Counter[Point] = field(default_factory=Counter)

    def __str__(self) -> str:
        kills = ", ".join(f"{point} {self.kills[point]}" for point in POINTS)
        in_the_window = sum(self.kills[point] for point in IN_THE_WINDOW)
        return (
            f"{self.runs} runs, {self.lives} lives, {sum(self.kills.values())} kills "
            f"({in_the_window} between a gateway's yes and the ledger), {self.faults} faults; "
            f"{self.messages} messages with {self.items} words of steps; {self.repeated} copies "
            f"for {self.doubts} doubts; {self.facts} facts, {self.facts_twice} twice; "
            f"kills by point: {kills}"
        )


@dataclass
class Run:
    """One school's weeks, with one process after another."""

    client: Redis
    start: Start
    folder: Path
    settings: dict[str, str]
    mail: MailServer
    sms: SmsGateway
    witness: Witness
    random: Random
    plan: list[Point]
    """Where each life dies; the last is left alone."""
    lives: int = 0
    last: datetime = field(default_factory=lambda: at(WEDNESDAY, "07:45"))

    def week(self) -> Week:
        """Let all of it happen, until everyone is told."""
        week = Week(self.random)
        self.client.hset(ROSTER, SCHOOL, school().model_dump_json(by_alias=True))
        for when, steps in week.quarter_hours():
            for each in steps:
                self._comes(each, partition_of(SCHOOL, each.pupil, PARTITIONS))
            self._passes(when)
            if self.random.random() < 0.4:
                self._until_quiet()
            else:
                self._for(self.random.uniform(0, 0.1))
        self._until_quiet()
        for slot in SLOTS:
            for clock in ("15:00", "15:15"):
                self._passes(at(slot, clock))
                self._until_quiet()
        return week

    def _comes(self, message: CaseMessage, partition: int) -> None:
        self.client.xadd(case_steps(partition), {BODY: message.model_dump_json()})

    def _passes(self, when: datetime) -> None:
        self.last = when
        for partition in range(PARTITIONS):
            self._comes(TimeReached(at=when), partition)

    def _for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._lives()
            time.sleep(0.005)

    def _until_quiet(self) -> None:
        """All is read, nothing is on its way, and what was given up was sent after all."""
        deadline = time.monotonic() + SECONDS
        while not self._is_quiet():
            assert time.monotonic() < deadline, f"no end in sight: {self._what_is_left()}"
            # It looks for what is due when something comes, else once a second.
            self._comes(TimeReached(at=self.last), 0)
            self._for(0.04)

    def _is_quiet(self) -> bool:
        self._lives()
        for name in self._rows("dead-letters"):
            self.client.hset(key("asked"), name, msgspec.json.encode(Asked("replay")))
        positions = self.client.mget(
            [f"position:{{notify}}:{partition}" for partition in range(PARTITIONS)]
        )
        newest = [self._newest(partition) for partition in range(PARTITIONS)]
        return positions == newest and not any(self._what_is_left().values())

    def _newest(self, partition: int) -> bytes:
        entries: Any = self.client.xrevrange(case_steps(partition), count=1)
        return bytes(entries[0][0])

    def _what_is_left(self) -> dict[str, list[str]]:
        return {
            table: [*self._rows(table)] for table in ("outbox", "said", "dead-letters", "asked")
        }

    def _rows(self, table: Any) -> dict[str, bytes]:
        rows: Any = self.client.hgetall(key(table))
        return {name.decode(): row for name, row in rows.items()}

    def _lives(self) -> None:
        """As a supervisor: whoever is dead is followed by the next."""
        assert not self.witness.wrong, self.witness.wrong[0]
        ended = self.witness.ended
        if self.lives and ended is None:
            return
        log = self.folder / "notify.log"
        assert ended in {None, -9}, log.read_text(encoding="utf-8")[-2000:]
        self.client.delete(LEASE)  # it has run out
        dies_at = self.plan[self.lives] if self.lives < len(self.plan) else None
        nth = 1 if dies_at and dies_at.what in RARE else self.random.choice((1, 1, 2, 3))
        self.lives += 1
        self.witness.is_born(self.start(self.settings, log), dies_at, nth)

    def judge(self, week: Week, figures: Figures) -> None:
        """Was everybody told everything, and once?"""
        copies = self._taken()
        excused = self.witness.killed + self.witness.unanswered
        for (_, message), taken in copies.items():
            assert len(taken) - 1 <= excused[message], "a message came again without a doubt"
            by_address = dict(taken)
            assert all(by_address[address] == raw for address, raw in taken), "in other words"
        told, corrected = self._seen(set(copies))
        assert set(told.values()) | set(corrected.values()) <= {1}, "told twice, by two messages"
        for finding in week.standing.values():
            for staff in audience_of(finding):
                assert told[staff, finding.step_id], f"{staff} was not told of {finding}"
        knew = {(staff, week.opened[name]) for staff, name in told}
        back = {(staff, name) for staff, name in knew if name in week.retracted}
        assert set(corrected) == back, "corrected is whoever was told, and nobody else"
        ledger = {tuple(line.split()[:2]) for line in self._rows("ledger")}
        assert {(name, f"{SCHOOL}/{staff}") for staff, name in told} <= ledger
        facts = self._facts(knew, week)

        figures.runs += 1
        figures.lives += self.lives
        figures.messages += len(copies)
        figures.items += len(told) + len(corrected)
        figures.repeated += sum(len(taken) - 1 for taken in copies.values())
        figures.doubts += sum(excused.values())
        figures.facts += len(facts)
        figures.facts_twice += sum(facts.values()) - len(facts)
        figures.kills.update(self.witness.kills)

    def _taken(self) -> dict[tuple[str, str], list[tuple[str, bytes]]]:
        """What the gateways have taken, by staff id and message: addresses and contents."""
        mails = zip(self.mail.recipients, self.mail.raw, self.mail.mails, strict=True)
        copies: defaultdict[tuple[str, str], list[tuple[str, bytes]]] = defaultdict(list)
        for address, raw, mail in mails:
            message = str(mail["Message-ID"])[1:33]
            copies[address.partition("@")[0], message].append((address, raw))
        numbers = {mobile: staff for staff, mobile in MOBILES.items()}
        for form in self.sms.forms:
            message = self.witness.by_token[form["message"].partition("/m/")[2][:22]]
            copies[numbers[form["to"]], message].append((form["to"], form["message"].encode()))
        return copies

    def _seen(
        self, messages: set[tuple[str, str]]
    ) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        """By how many messages each was told of each step, and of each correction."""
        pages = self._rows("messages")
        tokens = {message: token for token, message in self.witness.by_token.items()}
        told: Counter[tuple[str, str]] = Counter()
        corrected: Counter[tuple[str, str]] = Counter()
        for staff, message in messages:
            token = tokens[message]
            page = msgspec.json.decode(pages[sha256(token.encode()).hexdigest()], type=Page)
            assert page.recipient.staff == staff
            for item in page.items:
                if item.correction:
                    corrected[staff, item.opened] += 1
                else:
                    told[staff, item.shows] += 1
        return told, corrected

    def _facts(self, told: set[tuple[str, str]], week: Week) -> Counter[bytes]:
        """What rules heard: of whom each was told, at least once, and of nobody else."""
        heard: Counter[bytes] = Counter()
        for partition in range(PARTITIONS):
            stream: Any = self.client.xrange(attendance(partition))
            heard.update(fields[BODY] for _, fields in stream)
        facts = [FACT.validate_json(each) for each in heard]
        assert {(each.recipient, each.pupil) for each in facts if isinstance(each, CaseTold)} == {
            (staff, week.steps[name].pupil) for staff, name in told
        }
        return heard


def plan_of(number: int, kills: int, random: Random) -> list[Point]:
    """The points at which lives end: over the runs, all of them in turn."""
    turn = number * kills % len(POINTS)
    plan = [*POINTS[turn:], *POINTS[:turn]][:kills]
    random.shuffle(plan)
    return plan


def faults_of(plan: list[Point], random: Random) -> tuple[list[tuple[str, str]], list[str]]:
    """What goes wrong at the mail server and the SMS gateway, each once; too seldom for a breaker
    to open, and where a life is to end by it, often enough."""
    planned = {point.what for point in plan}
    most = 2 if "put back" in planned else 0
    mail = random.sample(TRANSIENT, most) + random.sample(MAIL_FAULTS, random.choice((0, 1, 1)))
    sms = "drop" if "look-up" in planned else random.choice(("", "", "refuse", "drop", "stall"))
    return mail, [sms] if sms else []


@dataclass
class Stage:
    """Where runs take place, one after another."""

    url: str
    folder: Path
    figures: Figures = field(default_factory=Figures)

    def __post_init__(self) -> None:
        suite = Suite(self.url, self.folder, {"NARVARA_PARTITIONS": str(PARTITIONS)})
        routing = suite.config / "routing.yaml"
        content = routing.read_text(encoding="utf-8")
        routing.write_text(content.replace("routes:\n", ROUTE), encoding="utf-8")
        self._environment = suite.environment

    def run(self, start: Start, number: int, kills: int = 4) -> None:
        """A school's weeks from beginning to end, with so many kills; the number is the seed."""
        random, witness = Random(number), Witness()
        plan = plan_of(number, kills, random)
        with Redis.from_url(self.url) as client, ExitStack() as stack:
            client.flushdb()
            mail, sms = stack.enter_context(mail_server()), stack.enter_context(sms_gateway())
            mail.faults, sms.faults = faults_of(plan, random)
            faults = len(mail.faults) + len(sms.faults)
            ports = [
                stack.enter_context(wire(far, talk, witness.connect))
                for far, talk in (
                    (address_of(self.url), redis_talk),
                    (("127.0.0.1", mail.port), smtp_talk),
                    (address_of(sms.url), http_talk),
                )
            ]
            stack.callback(witness.kill)
            settings = self._environment | settings_of(self.url, *ports)
            run = Run(client, start, self.folder, settings, mail, sms, witness, random, plan)
            run.judge(run.week(), self.figures)
            self.figures.faults += faults - len(mail.faults) - len(sms.faults)


def settings_of(url: str, redis: int, smtp: int, elks: int) -> dict[str, str]:
    """The service's settings, by the ports of its wires."""
    database = urlsplit(url).path if url.startswith("redis:") else "/0"
    told = {
        "REDIS_URL": f"redis://127.0.0.1:{redis}{database}",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": smtp,
        "SMTP_TLS": "none",
        "SMTP_TIMEOUT": 2 * STALLED,
        "SMTP_TAKEN_TIMEOUT": STALLED,
        "MAIL_FROM": "narvara@skola.example",
        "ELKS_URL": f"http://127.0.0.1:{elks}/a1/sms",
        "ELKS_USERNAME": "user",
        "ELKS_PASSWORD": "secret",
        "ELKS_TIMEOUT": STALLED,
        "NOTIFY_PORT": 0,
        "PUBLIC_URL": "https://narvara.skola.example",
        "RETRY_SECONDS": 0.05,
        "LEASE_SECONDS": 30,
    }
    return {f"NARVARA_{name}": str(value) for name, value in told.items()}


@pytest.fixture
def stage(redis_url: str, tmp_path: Path) -> Stage:
    return Stage(redis_url, tmp_path)


@pytest.fixture(scope="module")
def forked() -> Iterator[Start]:
    """How a process starts that need not be loaded."""
    with forks() as parent:
        yield parent.start


def started(settings: dict[str, str], log: Path) -> Process:
    """The command, as a supervisor starts it."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [*COMMAND, "notify", "run"], env={**os.environ, **settings}, stdout=out, stderr=out
        )


def test_killed_at_any_effect_notify_tells_each_step_once(stage: Stage, forked: Start) -> None:
    for number in range(6):
        stage.run(forked, number)

    figures = stage.figures
    assert len(figures.kills) > 15, figures
    assert figures.repeated <= figures.doubts, figures


def test_killed_as_a_command_that_a_supervisor_starts_notify_tells_each_step_once(
    stage: Stage,
) -> None:
    stage.run(started, 3, kills=2)

    assert stage.figures.kills


@pytest.mark.long
def test_in_five_hundred_runs_each_step_is_told_once(stage: Stage, forked: Start) -> None:
    for number in range(500):
        stage.run(forked, number, kills=2)

    figures = stage.figures
    print(figures)  # noqa: T201 - pytest shows it with -rP
    assert min(figures.kills[point] for point in POINTS) > 0, figures
    assert 0 < figures.repeated <= figures.doubts, figures


def test_without_the_ledger_messages_come_again_and_that_is_seen(stage: Stage) -> None:
    with forks("without-ledger") as parent, pytest.raises(AssertionError, match="came again"):
        stage.run(parent.start, 0)
