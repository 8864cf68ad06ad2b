"""The demo's inbox: a real SMTP server and a 46elks-shaped endpoint, with a page that shows both.

Nothing leaves the machine: mail goes over SMTP and SMS over HTTP to this process, as they
would to a mail server and a gateway. What came is kept as files, so that it is there next time.
"""

import email
import email.policy
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from aiosmtpd.controller import Controller
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route


@dataclass(frozen=True)
class Received:
    """One message as it came. `at` is school time."""

    number: int
    kind: str
    to: str
    sender: str
    subject: str
    text: str
    html: str
    at: str


Clock = Callable[[], datetime | None]


class Inbox:
    """Messages in the order in which they came, in memory and as one file each."""

    def __init__(self, folder: Path, now: Clock, told: Callable[[Received], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._now = now
        self._told = told
        self._lock = threading.Lock()
        self.messages = [
            Received(**json.loads(file.read_text(encoding="utf-8")))
            for file in sorted(folder.glob("*.json"))
        ]

    def add(self, *, kind: str, to: str, sender: str, subject: str, text: str, html: str) -> None:
        at = self._now()
        with self._lock:
            message = Received(
                number=len(self.messages) + 1,
                kind=kind,
                to=to,
                sender=sender,
                subject=subject,
                text=text,
                html=html,
                at=at.isoformat() if at else "",
            )
            file = self._folder / f"{message.number:06}.json"
            file.write_text(json.dumps(asdict(message), ensure_ascii=False), encoding="utf-8")
            self.messages.append(message)
        self._told(message)

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        """Called by aiosmtpd for each mail."""
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        plain, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
        for to in envelope.rcpt_tos:
            self.add(
                kind="e-post",
                to=to,
                sender=str(parsed["From"] or envelope.mail_from),
                subject=str(parsed["Subject"] or ""),
                text=plain.get_content() if plain else "",
                html=html.get_content() if html else "",
            )
        return "250 kept"

    async def sms(self, request: Request) -> Response:
        """What 46elks answers to a sent SMS, as far as notify reads it."""
        form = parse_qs((await request.body()).decode())
        to, text, sender = (form.get(name, [""])[0] for name in ("to", "message", "from"))
        if not to or not text:
            return JSONResponse({"error": "to and message are wanted"}, status_code=400)
        self.add(kind="sms", to=to, sender=sender, subject="", text=text, html="")
        answer = {"id": f"s{len(self.messages):032x}", "status": "created", "to": to, "parts": 1}
        return JSONResponse(answer)

    async def listing(self, _: Request) -> Response:
        rows = "".join(_row(message) for message in reversed(self.messages))
        empty = "" if rows else "<p>Inget har kommit än. <i>Nothing has come yet.</i></p>"
        return _page(
            "Inkorg", f"<p>{len(self.messages)} meddelanden</p>{empty}<ul class=list>{rows}</ul>"
        )

    async def message(self, request: Request) -> Response:
        number = int(request.path_params["number"])
        if not 1 <= number <= len(self.messages):
            return _page("Inkorg", "<p>Det finns inget sådant meddelande.</p>", status=404)
        message = self.messages[number - 1]
        body = f"<pre>{_linked(escape(message.text))}</pre>"
        if message.html:
            frame = escape(message.html, quote=True)
            body += (
                "<h2>HTML</h2><iframe sandbox='allow-popups allow-popups-to-escape-sandbox' "
                f'srcdoc="{frame}" title="meddelandet"></iframe>'
            )
        return _page(
            escape(message.subject or "SMS"),
            f"<p><a href=/>← alla</a></p><p class=meta>{_when(message)} · {message.kind} · "
            f"till {escape(message.to)} · från {escape(message.sender)}</p>{body}",
        )


def _row(message: Received) -> str:
    first = message.subject or message.text.splitlines()[0]
    return (
        f"<li><a href=/m/{message.number}><span class=meta>{_when(message)} · {message.kind} · "
        f"{escape(message.to)}</span><b>{escape(first)}</b></a></li>"
    )


def _when(message: Received) -> str:
    return message.at[:16].replace("T", " ")


def _linked(text: str) -> str:
    return "".join(
        f'<a href="{part}">{part}</a>' if part.startswith(("http://", "https://")) else part
        for part in _words(text)
    )


def _words(text: str) -> Iterator[str]:
    word = ""
    for character in text:
        if character.isspace():
            yield word
            yield character
            word = ""
        else:
            word += character
    yield word


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem } h2 { font-size: 1rem }
.meta { opacity: .75; font-size: .875rem; display: block }
.list { list-style: none; padding: 0 }
.list a { display: block; overflow-wrap: anywhere;
  padding: .6rem .2rem; border-bottom: 1px solid #8884;
  text-decoration: none; color: inherit }
.list a:hover, .list a:focus { background: #8882 }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: 1rem;
  border-radius: .5rem; font: inherit }
iframe { width: 100%; height: 34rem; border: 1px solid #8884; border-radius: .5rem }
"""


def _page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f"<!doctype html><html lang=sv><meta charset=utf-8>"
        f"<meta name=viewport content='width=device-width'><title>{title} – NärVara demo</title>"
        f"<style>{_STYLE}</style><h1>{title}</h1>{body}</html>",
        status_code=status,
    )


@contextmanager
def inbox(
    folder: Path, now: Clock, told: Callable[[Received], None], http_port: int, smtp_port: int
) -> Iterator[Inbox]:
    """Run SMTP and the page in threads of this process until left."""
    box = Inbox(folder, now, told)
    mail = Controller(box, hostname="127.0.0.1", port=smtp_port)
    app = Starlette(
        routes=[
            Route("/", box.listing),
            Route("/m/{number:int}", box.message),
            Route("/a1/sms", box.sms, methods=["POST"]),
        ]
    )
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=http_port, log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    mail.start()
    thread.start()
    try:
        yield box
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        mail.stop()
