"""A witness on all wires of one process: it counts what was taken and written, and kills.

It kills at a point, such as just after the mail server has taken a message and before the process
knows. A message is in doubt when a gateway may have taken it and its process died, or heard
nothing, before the ledger had it: each such doubt excuses one repeat, and nothing else does.
"""

import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from threading import RLock
from typing import NamedTuple, Protocol

from tests.suite.wires import CutError, Exchange, Listen, Moment, Written, json_rows

_MESSAGE_ID = re.compile(rb"Message-ID: <([0-9a-f]{32})@")

_TOKEN = re.compile(rb"%2Fm%2F([A-Za-z0-9_-]{22})")


class Point(NamedTuple):
    """Where a process dies: at an exchange of a kind, by its moment."""

    what: str
    moment: Moment

    def __str__(self) -> str:
        return f"{self.what} {self.moment}"


_MOMENTS: dict[str, tuple[Moment, ...]] = {
    "folded": ("done",),
    "made": ("asked", "done"),
    "begun": ("asked", "done"),
    "MAIL": ("done",),
    "RCPT": ("done",),
    "DATA": ("done",),
    "mail": ("asked", "done", "answered"),
    "SMS": ("asked", "done", "answered"),
    "look-up": ("done",),
    "put back": ("asked", "done"),
    "ledger": ("asked", "done"),
    "fact": ("asked", "done"),
    "crossed out": ("asked", "done"),
}

POINTS = tuple(Point(what, moment) for what, moments in _MOMENTS.items() for moment in moments)
"""Every kind of effect on the world outside, before it, after it, and once it is known."""

IN_THE_WINDOW = frozenset(
    {Point("mail", "done"), Point("mail", "answered"), Point("SMS", "done"),
     Point("SMS", "answered"), Point("ledger", "asked")}
)  # fmt: skip
"""A gateway has taken a message, and the ledger does not have it."""


class Process(Protocol):
    """What can be killed and waited for."""

    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


@dataclass(eq=False)
class _Life:
    process: Process
    dies_at: Point | None
    nth: int
    dead: bool = False
    taken: set[str] = field(default_factory=set)
    """Messages that a gateway has taken from it and that are not in the ledger."""


class Witness:
    """Listens on the wires of one process after another."""

    def __init__(self) -> None:
        self.kills: Counter[Point] = Counter()
        self.killed: Counter[str] = Counter()
        """By message: how often a gateway had it, the ledger did not, and the process died."""
        self.unanswered: Counter[str] = Counter()
        """By message: how often a gateway was handed it and said nothing so far."""
        self.wrong: list[str] = []
        """What may never happen."""
        self.by_token: dict[str, str] = {}
        """Messages by what opens their pages."""
        self._life: _Life | None = None
        self._lock = RLock()

    def is_born(self, process: Process, dies_at: Point | None, nth: int = 1) -> None:
        """A process has begun, to die at the n-th time that it comes to a point."""
        with self._lock:
            self._life = _Life(process, dies_at, nth)

    @property
    def ended(self) -> int | None:
        """The exit code of the process, when it lives no more."""
        with self._lock:
            return self._life.process.poll() if self._life else None

    def kill(self) -> None:
        """Kill -9, wherever the process is."""
        with self._lock:
            if self._life and not self._life.dead:
                self._dies(self._life)

    def connect(self) -> Listen:
        """Who listens to a new connection: what is said there is of the life that made it."""
        with self._lock:
            return partial(self._hear, self._life)

    def _hear(self, life: _Life | None, said: Exchange, moment: Moment) -> None:
        with self._lock:
            if life is None or (moment == "asked" and life.dead):
                raise CutError
            if moment == "done":
                self._note(life, said)
            elif moment == "asked":
                self._note_asked(said)
            if not life.dead and life.dies_at == (said.what, moment):
                life.nth -= 1
                if life.nth <= 0:
                    self.kills[life.dies_at] += 1
                    self._dies(life)
            if life.dead:
                raise CutError

    def _dies(self, life: _Life) -> None:
        life.process.kill()
        assert life.process.wait() == -signal.SIGKILL
        life.dead = True
        self.killed.update(life.taken)

    def _note_asked(self, said: Exchange) -> None:
        if said.what in {"mail", "SMS"}:
            self.unanswered[self._message_of(said)] += 1

    def _note(self, life: _Life, said: Exchange) -> None:
        if said.what in {"mail", "SMS"}:
            if said.answer:
                self._answered(life, self._message_of(said), said.answer)
        elif said.written:
            self._written(life, said.written, done=b"written" in said.answer)

    def _answered(self, life: _Life, message: str, answer: bytes) -> None:
        self.unanswered[message] -= 1
        if answer.startswith(b"250") or b" 200 " in answer.partition(b"\r\n")[0]:
            if message in life.taken:
                self.wrong.append(f"{message} came again though it was taken")
            life.taken.add(message)
            self.killed[message] += life.dead

    def _written(self, life: _Life, change: Written, *, done: bool) -> None:
        for name, row in json_rows(change, "outbox"):
            if row is not None:
                self.by_token[row["token"]] = message_id(name)
            elif done:
                life.taken.discard(message_id(name))

    def _message_of(self, said: Exchange) -> str:
        found = (_MESSAGE_ID if said.what == "mail" else _TOKEN).search(said.asked)
        assert found, f"{said.what} of no message"
        name = found[1].decode()
        return name if said.what == "mail" else self.by_token[name]


def message_id(outbox_id: str) -> str:
    """By which a message is known outside."""
    return sha256(outbox_id.encode()).hexdigest()[:32]
