"""Wires between a process and the world outside, on which a test may listen, and cut them.

A wire passes on one exchange at a time: what the process asks, and the answer. It tells of each
when it was `asked` and nobody else has it, when it is `done` and the process does not know, and
when it is `answered`. Who listens may raise `CutError`: the wire ends there.
"""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

Moment = Literal["asked", "done", "answered"]

Address = tuple[str, int] | str
"""Host and port, or the path of a socket file."""


class CutError(ConnectionError):
    """Nothing more goes over this wire."""


@dataclass(frozen=True)
class Written:
    """What a guarded write writes; a row that is deleted is None."""

    rows: Mapping[tuple[str, str], bytes | None]
    """By table and key."""
    reads_on: bool
    """It moves a position in a stream."""


@dataclass(frozen=True)
class Exchange:
    """One thing asked and answered."""

    what: str
    """Such as `MAIL`, `mail` (its content), `SMS`, `ledger`; empty: nothing of interest."""
    asked: bytes
    written: Written | None = None
    answer: bytes = b""
    """Empty until it is done, and where none came."""


Listen = Callable[[Exchange, Moment], None]

Connect = Callable[[], Listen]
"""Called for each connection that a process makes: who listens to it."""

Talk = Callable[[BinaryIO, BinaryIO, Listen], None]
"""Passes on what is said between two files, of the process and of what it speaks to."""


@contextmanager
def wire(far: Address, talk: Talk, connect: Connect) -> Iterator[int]:
    """A wire to `far`; yields the port of 127.0.0.1 on which it is picked up."""
    ends: set[socket.socket] = set()

    class Handler(StreamRequestHandler):
        disable_nagle_algorithm = True

        def handle(self) -> None:
            with ExitStack() as stack:
                stack.enter_context(suppress(OSError))
                server = stack.enter_context(_connected(far))
                stack.callback(ends.difference_update, {server, self.connection})
                ends.update({server, self.connection})
                near = stack.enter_context(self.connection.makefile("rwb"))
                talk(near, stack.enter_context(server.makefile("rwb")), connect())  # type: ignore[arg-type]

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            for each in list(ends):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def address_of(url: str) -> Address:
    """Where a server of a `redis://` or `unix://` address listens."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)


def _connected(far: Address) -> socket.socket:
    if isinstance(far, str):
        server = socket.socket(socket.AF_UNIX)
        server.connect(far)
        return server
    server = socket.create_connection(far)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server


def _pass_on(
    exchange: Exchange, near: BinaryIO, far: BinaryIO, listen: Listen, read: Callable[[], bytes]
) -> bytes:
    """One exchange; returns the answer. Raises `CutError` when none came."""
    listen(exchange, "asked")
    far.write(exchange.asked)
    far.flush()
    try:
        answer = read()
    except OSError:
        answer = b""
    exchange = replace(exchange, answer=answer)
    listen(exchange, "done")
    if not answer:
        raise CutError
    near.write(answer)
    near.flush()
    listen(exchange, "answered")
    return answer


def redis_talk(near: BinaryIO, far: BinaryIO, listen: Listen) -> None:
    """Commands one by one; what a pipeline sends at once is passed on one by one too."""
    while asked := _resp(near):
        words = _words(asked)
        change = _written(words)
        what = "fact" if words[0] == b"XADD" else _kind(change) if change else ""
        _pass_on(Exchange(what, asked, change), near, far, listen, lambda: _resp(far))


def _resp(file: BinaryIO) -> bytes:
    """One whole value of the server's protocol; empty: the other side hung up."""
    line = file.readline()
    kind = line[:1]
    size = int(line[1:]) if line and kind in b"$=!*~>%" else 0
    if kind in b"$=!" and line and size >= 0:
        return line + file.read(size + 2)
    if kind in b"*~>%" and line:
        parts = size * (2 if kind == b"%" else 1)
        return line + b"".join(_resp(file) for _ in range(parts))
    return line


def _words(asked: bytes) -> list[bytes]:
    """A command's words."""
    file = BytesIO(asked)
    return [file.read(int(file.readline()[1:]) + 2)[:-2] for _ in range(int(file.readline()[1:]))]


def _written(words: list[bytes]) -> Written | None:
    """The guarded write that a command asks for; None: it is none."""
    if words[0] != b"EVAL":
        return None
    _, *rest = words[3 + int(words[2]) :]
    # The lease's other scripts name no entry of a stream.
    if not rest or (rest[0] and b"-" not in rest[0]):
        return None
    entry, *flat = rest
    rows: dict[tuple[str, str], bytes | None] = {}
    while flat:
        size = int(flat[0])
        verb, key, name, *value = flat[1 : 1 + size]
        del flat[: 1 + size]
        if verb in {b"HSET", b"HDEL"}:
            table = key.decode().removesuffix(":{notify}")
            rows[table, name.decode()] = value[0] if value else None
    return Written(rows, bool(entry))


def _kind(change: Written) -> str:
    """What a write is of."""
    tables = {table for table, _ in change.rows}
    gone = {table for (table, _), row in change.rows.items() if row is None}
    if "ledger" in tables:
        return "ledger"
    if change.reads_on:
        return "made" if "outbox" in tables else "folded"
    if "messages" in tables:
        return "begun"
    if "outbox" in tables:
        return "put back"
    return "crossed out" if gone == {"said"} else ""


def smtp_talk(near: BinaryIO, far: BinaryIO, listen: Listen) -> None:
    """Commands by their first word, and `mail`: the content of a message to its last line."""
    greeting = _smtp_reply(far)
    near.write(greeting)
    near.flush()
    while line := near.readline():
        what = line[:4].decode().strip().upper()
        answer = _pass_on(Exchange(what, line), near, far, listen, lambda: _smtp_reply(far))
        if what == "DATA" and answer.startswith(b"354"):
            content = _content(near)
            _pass_on(Exchange("mail", content), near, far, listen, lambda: _smtp_reply(far))


def _smtp_reply(file: BinaryIO) -> bytes:
    reply = line = file.readline()
    while line[3:4] == b"-":
        line = file.readline()
        reply += line
    return reply if reply.endswith(b"\n") else b""


def _content(file: BinaryIO) -> bytes:
    lines: list[bytes] = []
    while not lines or lines[-1] != b".\r\n":
        lines.append(file.readline())
        if not lines[-1]:
            raise CutError
    return b"".join(lines)


def http_talk(near: BinaryIO, far: BinaryIO, listen: Listen) -> None:
    """One request a connection: a POST is an `SMS`, a GET a `look-up` of those that were sent."""
    asked = head = near.readline()
    size = 0
    while head.strip():
        head = near.readline()
        asked += head
        if head.lower().startswith(b"content-length:"):
            size = int(head.partition(b":")[2])
    if asked:
        what = "SMS" if asked.startswith(b"POST") else "look-up"
        _pass_on(Exchange(what, asked + near.read(size)), near, far, listen, far.read)


def json_rows(change: Written, table: str) -> Iterator[tuple[str, Any]]:
    """The rows of a table that are written, by their keys; None: deleted."""
    for (of, key), row in change.rows.items():
        if of == table:
            yield key, None if row is None else json.loads(row)
