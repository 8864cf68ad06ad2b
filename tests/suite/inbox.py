"""An inbox that containers reach: mail by SMTP, SMS by what a gateway's HTTP looks like."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Inbox:
    """What has come so far, as address and text; a mail's text is its subject and all its parts."""

    mails: list[tuple[str, str]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    smtp_port: int = field(default_factory=free_port)
    sms_port: int = field(default_factory=free_port)

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        mail = message_from_bytes(envelope.content, policy=default)
        parts = [part.get_content() for part in mail.walk() if not part.is_multipart()]
        text = "\n".join([*map(str, mail.items()), *parts])
        self.mails += [(address, text) for address in envelope.rcpt_tos]
        return "250 kept"


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Run an inbox on free ports of all addresses, since containers come by the bridge's."""
    box = Inbox()
    mail = Controller(box, hostname="0.0.0.0", port=box.smtp_port)
    web = ThreadingHTTPServer(("0.0.0.0", box.sms_port), _gateway(box))
    thread = threading.Thread(target=web.serve_forever)
    mail.start()
    thread.start()
    try:
        yield box
    finally:
        web.shutdown()
        thread.join()
        web.server_close()
        mail.stop()


def _gateway(box: Inbox) -> type[BaseHTTPRequestHandler]:
    class Gateway(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            box.texts.append((form["to"][0], form["message"][0]))
            answer = json.dumps({"id": f"s{len(box.texts)}", "status": "created"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing: the test says what came."""

    return Gateway
