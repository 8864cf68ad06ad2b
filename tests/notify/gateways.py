"""Stand-ins for the world outside: a real SMTP server, and a server that answers as 46elks does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller


@dataclass
class MailServer:
    """Keeps what it takes; `replies` are given first, one a recipient."""

    port: int = 0
    replies: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's
        self, _: Any, __: Any, envelope: Any, address: str, ___: Any
    ) -> str:
        if self.replies and not self.replies[0].startswith("250"):
            return self.replies.pop(0)
        if self.replies:
            self.replies.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.raw.append(envelope.content)
        self.recipients += envelope.rcpt_tos
        return "250 taken"

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
        return "\n".join(words)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    controller = _AnyPort(server, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        server.port = controller.port
        yield server
    finally:
        controller.stop()


class _AnyPort(Controller):
    """The controller greets itself to see that it runs, and must know its port for that."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        trigger: Any = super()._trigger_server
        trigger()


@dataclass
class SmsGateway:
    """Keeps the forms it gets; `answers` are given first, each a status and headers."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@contextmanager
def sms_gateway() -> Iterator[SmsGateway]:
    gateway = SmsGateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            status, headers = gateway.answers.pop(0) if gateway.answers else (200, {})
            if status == 200:
                gateway.forms.append({name: values[0] for name, values in form.items()})
                gateway.logins.append(self.headers["Authorization"])
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        gateway.url = f"http://127.0.0.1:{server.server_port}/a1/sms"
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
