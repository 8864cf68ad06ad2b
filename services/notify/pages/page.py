"""The page behind a message's link: that message's pupils, by id, and why each stands there.

Whoever has the link sees the page, so the link is 128 random bits, and the page is kept by no
cache, tells no other site where it was opened, and loads nothing from anywhere.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from services.notify.desk import Fate, Item, Page
from services.notify.pages.words import LEVELS, fate, figure

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Opened:
    """A page as kept, and what has become of its findings since, by the step that opened them."""

    page: Page
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
            style=style, kind=opened.page.kind, pupils=_pupils(opened)
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


def _pupils(opened: Opened) -> list[dict[str, Any]]:
    """The signals by pupil; the items come in the order in which they are to be read."""

    def pupil(item: Item) -> tuple[str, str]:
        return item.signal.school, item.signal.pupil

    return [
        {"school": school, "pupil": name, "signals": _signals(items, opened.fates)}
        for (school, name), items in groupby(opened.page.items, pupil)
    ]


def _signals(items: Iterable[Item], fates: Mapping[str, Fate]) -> list[dict[str, Any]]:
    return [
        {
            "title": item.signal.title,
            "since": item.signal.since.isoformat(),
            "level": LEVELS[item.signal.level],
            "figures": [figure(each) for each in item.signal.evidence],
            "fate": fate(fates.get(item.signal.opened), item.signal.level),
        }
        for item in items
    ]
