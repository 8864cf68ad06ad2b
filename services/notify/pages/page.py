"""The page behind a message's link: its pupils, by id, and units, and why each stands there.

Whoever has the link sees the page, so the link is 128 random bits, and the page is kept by no
cache, tells no other site where it was opened, and loads nothing from anywhere.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from services.notify.desk import Fate, Page, Shown, Signal
from services.notify.pages.words import LEVELS, Words, about, fate

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Opened:
    """A page as kept, and what has become of its findings since, by the step that opened them."""

    page: Page
    signals: Mapping[str, Signal]
    """By the step that shows them."""
    fates: Mapping[str, Fate]


Find = Callable[[str], Awaitable[Opened | None]]
"""From a link's token to its page; None: there is no such."""


def page_routes(find: Find) -> list[BaseRoute]:
    """`/m/{token}`."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined
    )
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    headers = _headers(style)

    async def show(request: Request) -> Response:
        opened = await find(request.path_params["token"])
        if opened is None:
            html = environment.get_template("unknown.html").render(style=style)
            return HTMLResponse(html, status_code=404, headers=headers)
        html = environment.get_template("page.html").render(
            style=style,
            kind=opened.page.kind,
            concerns=_grouped(opened, good_news=False),
            good_news=_grouped(opened, good_news=True),
        )
        return HTMLResponse(html, headers=headers)

    return [Route("/m/{token}", show)]


def _headers(style: str) -> dict[str, str]:
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }


def _grouped(opened: Opened, *, good_news: bool) -> list[dict[str, Any]]:
    """The signals by pupil or unit; the items come in the order in which they are to be read."""
    known = ((item, opened.signals.get(item.shows)) for item in opened.page.items)
    items = [(item, signal) for item, signal in known if signal and signal.good_news is good_news]
    groups = [list(each) for _, each in groupby(items, lambda pair: pair[1].about)]
    return [
        {
            "about": about(group[0][1]),
            "school": group[0][1].school,
            "signals": [_signal(item, signal, opened.fates) for item, signal in group],
        }
        for group in groups
    ]


def _signal(item: Shown, signal: Signal, fates: Mapping[str, Fate]) -> dict[str, Any]:
    return {
        "title": signal.title,
        "since": signal.since.isoformat(),
        "level": LEVELS[signal.level],
        "words": Words(signal.words.get("sv", ""), signal.words.get("en", "")),
        "fate": fate(fates.get(item.opened), signal),
    }
