"""Stand-ins for the world outside: a real SMTP server, and a server that answers as 46elks does."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""Of localhost and 127.0.0.1, signed by itself, with its key; for tests and nothing else."""

_STALLED = 3600
"""Seconds: longer than any test."""

_PATIENCE = 5
"""Seconds that the server's own thread is waited for."""


@dataclass
class MailServer:
    """Keeps what it takes; `replies` are given first, one a recipient."""

    port: int = 0
    replies: list[str] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    """What goes wrong, in order, each once: a stage and a reply, `drop` or `stall`.

    Stages are connect, EHLO, MAIL, RCPT, DATA (the leave to begin) and content (its answer).
    A message whose answer is dropped or stalled has been taken.
    """
    pause: float = 0
    """Seconds before each answer."""
    hang_up_after: int = 0
    """A connection ends after so many messages; 0: never."""
    raw: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    connections: int = 0
    """That were made."""
    open: int = 0
    most_open: int = 0
    said: list[str] = field(default_factory=list)
    """Commands, as they came."""
    transports: set[Any] = field(default_factory=set)

    def fault(self, stage: str) -> str:
        """What goes wrong at this stage now; empty: nothing."""
        if self.faults and self.faults[0][0] == stage:
            return self.faults.pop(0)[1]
        return ""

    @property
    def mails(self) -> list[EmailMessage]:
        parsed = [message_from_bytes(each, policy=policy.default) for each in self.raw]
        return [each for each in parsed if isinstance(each, EmailMessage)]

    @property
    def decoded(self) -> str:
        """Every word of every mail, headers and decoded bodies alike."""
        words = []
        for mail in self.mails:
            words += [f"{name}: {value}" for name, value in mail.items()]
            words += [part.get_content() for part in mail.walk() if not part.is_multipart()]
        # The width of a table is no figure.
        return re.sub(r'(width|adjust)(="|: )100%', "", "\n".join(words))


@contextmanager
def mail_server(**wiring: Any) -> Iterator[MailServer]:
    """`wiring` is aiosmtpd's, such as `tls_context` and `authenticator`."""
    server = MailServer()
    # Else it looks its own name up for each connection.
    wiring.setdefault("server_hostname", "localhost")
    controller = _AnyPort(_Hooks(server), hostname="127.0.0.1", port=0, **wiring)
    controller.start()
    try:
        server.port = controller.port
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_hang_up(server), controller.loop).result(_PATIENCE)
        controller.stop()


async def _hang_up(server: MailServer) -> None:
    """Nothing that a client or a fault has left open outlives the server."""
    for transport in list(server.transports):
        transport.abort()
    await asyncio.sleep(0.01)


class _Hooks:
    """What aiosmtpd calls. It reads all members of it for each connection, so these are few."""

    def __init__(self, server: MailServer) -> None:
        self.server = server

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _: Any, __: Any, envelope: Any, address: str, ___: Any
    ) -> str:
        reply = self.server.replies.pop(0) if self.server.replies else "250 OK"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        server = self.server
        if (
            server.faults
            and server.faults[0][0] == "content"
            and server.faults[0][1][0].isdecimal()
        ):
            return server.faults.pop(0)[1]
        server.raw.append(envelope.content)
        server.recipients += envelope.rcpt_tos
        server.senders.append(envelope.mail_from)
        return "250 taken"


class _AnyPort(Controller):
    """The controller greets itself to see that it runs, and must know its port for that."""

    def factory(self) -> SMTP:
        return _Faulty(self.handler, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        trigger: Any = super()._trigger_server
        trigger()
        # That greeting is none of a client's.
        handler: Any = self.handler
        deadline = time.monotonic() + _PATIENCE
        while handler.server.open and time.monotonic() < deadline:
            time.sleep(0.001)
        handler.server.connections = handler.server.most_open = 0


class _Faulty(SMTP):
    """Answers as the handler's faults say, and counts."""

    def __init__(self, hooks: _Hooks, **wiring: Any) -> None:
        super().__init__(hooks, **wiring)
        self._plan = hooks.server
        self._stage = "connect"
        self._taken = 0
        self._counted: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plan = self._plan
        if self._counted is None:
            self._counted = transport
            plan.transports.add(transport)
            plan.connections += 1
            plan.open += 1
            plan.most_open = max(plan.most_open, plan.open)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._counted is not None:
            self._plan.transports.discard(self._counted)
            self._counted = None
            self._plan.open -= 1
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        stage, self._stage = self._stage, "content" if self._stage == "DATA" else ""
        if self._plan.pause:
            await asyncio.sleep(self._plan.pause)
        fault = self._plan.fault(stage)
        transport: Any = self.transport
        if fault == "drop":
            transport.abort()
        elif fault == "stall":
            await asyncio.sleep(_STALLED)
        else:
            await super().push(fault or status)
        if fault.startswith("421"):
            transport.close()

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's, as all below
        self._met("EHLO")
        await super().smtp_EHLO(hostname)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        self._met("MAIL")
        await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        self._met("RCPT")
        await super().smtp_RCPT(arg)

    async def smtp_RSET(self, arg: str | None) -> None:  # noqa: N802
        self._met("RSET")
        await super().smtp_RSET(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        self._met("DATA")
        if self._plan.faults and self._plan.faults[0][0] == "DATA":
            await self.push("250 overruled by the fault")
            return
        await super().smtp_DATA(arg)
        self._taken += 1
        if self._plan.hang_up_after and self._taken >= self._plan.hang_up_after and self.transport:
            self.transport.close()

    def _met(self, command: str) -> None:
        self._stage = command
        self._plan.said.append(command)


@dataclass
class SmsGateway:
    """Keeps the forms it gets; `answers` are given first, each a status and headers.

    It lists what it took as 46elks does, without the text.
    """

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What goes wrong, in order, each once: `refuse` (nothing is taken and the connection drops),
    `drop` (it is taken, and no answer comes), `stall` (the same, and the connection stays)."""
    forms: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of what was taken; names in lower case."""
    logins: list[str] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    """What it says that it has sent; the newest first."""
    clock_ahead: float = 0
    """Seconds by which its clock is ahead."""
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    """Set at the end: what stalls, ends."""

    def take(self, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.forms.append(form)
        self.bodies.append(body)
        self.headers.append(headers)
        self.logins.append(headers.get("authorization", ""))
        created = datetime.fromtimestamp(time.time() + self.clock_ahead, UTC)
        taken = {
            "id": f"s{len(self.forms):032d}",
            "created": created.replace(tzinfo=None).isoformat(),
            "direction": "outgoing",
            "from": form.get("from", ""),
            "to": form.get("to", ""),
            "status": "created",
            "cost": 3500,
        }
        self.listed.insert(0, taken)
        return taken


@contextmanager
def sms_gateway(*, keep_alive: bool = False) -> Iterator[SmsGateway]:
    """With `keep_alive`, a client has to hang up before the gateway can end."""
    gateway = SmsGateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"

        def setup(self) -> None:
            gateway.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fault = gateway.faults.pop(0) if gateway.faults else ""
            status, headers = gateway.answers.pop(0) if gateway.answers else (200, {})
            content = b""
            if status == 200 and fault != "refuse":
                mine = {name.lower(): value for name, value in self.headers.items()}
                content = json.dumps(gateway.take(body, mine)).encode()
            if fault == "stall":
                gateway.over.wait(_STALLED)
            if fault:
                self.close_connection = True
                return
            self.answer(status, headers, content)

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            status, headers = gateway.answers.pop(0) if gateway.answers else (200, {})
            found = [each for each in gateway.listed if [each["to"]] == query.get("to")]
            self.answer(status, headers, json.dumps({"data": found}).encode())

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(
                time.time() + gateway.clock_ahead if timestamp is None else timestamp
            )

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        gateway.url = f"http://127.0.0.1:{server.server_port}/a1/sms"
        yield gateway
    finally:
        gateway.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
