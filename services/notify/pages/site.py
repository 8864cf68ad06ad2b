"""What all pages share: templates, language, headers, and the two files they refer to.

Pages work without scripts, and refer to nothing outside. The Content-Security-Policy says so, and
a browser keeps to it whatever a template may come to hold.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from services.notify.pages.strip import LEGEND, PATTERNS, strip, told_days, told_earlier
from services.notify.pages.words import ANSWERS, LEVELS, ROLES, Words, day_of, moment_of
from shared.picture import Day

Language = Literal["sv", "en"]

_TEMPLATES = Path(__file__).parent / "templates"
_YEAR = 31_536_000

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="7" fill="#1f5f8b"/><path d="M9 23V9l14 14V9" fill="none" stroke="#fff" stroke-width="3.5" '
    'stroke-linejoin="round" stroke-linecap="round"/></svg>'
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
"""On whatever leaves here."""


class Site:
    """Renders pages, in Swedish unless a browser asks for English before it."""

    def __init__(self, public_url: str, contact: str = "") -> None:
        """`public_url`: under which browsers reach it. `contact`: whom staff may ask."""
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._style = (_TEMPLATES / "style.css").read_bytes()
        self._version = sha256(self._style).hexdigest()[:12]
        self._contact = contact
        self.is_https = public_url.startswith("https:")
        self.headers = dict(HEADERS)
        if self.is_https:
            self.headers["Strict-Transport-Security"] = f"max-age={_YEAR}"

    def page(
        self, request: Request, template: str, *, status: int = 200, **fields: Any
    ) -> HTMLResponse:
        """A template, which has `t(sv, en)`, `lang`, and what is given; `csrf` goes into forms."""
        language = language_of(request.headers.get("accept-language", ""))
        html = self._environment.get_template(template).render(
            {
                "t": _Tongue(language),
                "lang": language,
                "version": self._version,
                "contact": self._contact,
                "levels": LEVELS,
                "answers": ANSWERS,
                "roles": ROLES,
                "legend_of": LEGEND,
                "patterns": PATTERNS,
                "told_days": told_days,
                "told_earlier": told_earlier,
                "draw": partial(_drawn, language),
                "visit": None,
                "csrf": "",
                **fields,
            }
        )
        return HTMLResponse(html, status, headers={**self.headers, "Vary": "Accept-Language"})

    def routes(self) -> list[BaseRoute]:
        """`/style.css`, `/icon.svg` and `/tillganglighet`."""

        async def style(_: Request) -> Response:
            headers = {**self.headers, "Cache-Control": f"public, max-age={_YEAR}, immutable"}
            return Response(self._style, media_type="text/css", headers=headers)

        async def accessibility(request: Request) -> Response:
            return self.page(request, "tillganglighet.html")

        async def icon(_: Request) -> Response:
            headers = {**self.headers, "Cache-Control": f"public, max-age={_YEAR}"}
            return Response(_ICON, media_type="image/svg+xml", headers=headers)

        return [
            Route("/style.css", style),
            Route("/icon.svg", icon),
            Route("/tillganglighet", accessibility),
        ]


def language_of(accepted: str) -> Language:
    """By an Accept-Language header; Swedish, unless English is asked for before it.

    Norwegian and Danish readers are served better by Swedish too.
    """
    wanted: list[tuple[float, int, str]] = []
    for place, each in enumerate(accepted.lower().split(",")):
        tag, _, weight = each.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        wanted.append((-quality, place, tag.partition("-")[0]))
    for _, _, language in sorted(wanted):
        if language == "en":
            return "en"
        if language in {"sv", "no", "nb", "nn", "da"}:
            return "sv"
    return "sv"


def _drawn(language: Language, days: Sequence[Day], of: str, *, small: bool = False) -> Markup:
    """A strip; `of` is whose it is."""
    name = Words(f"{of}, de senaste åtta skolveckorna", f"{of}, the last eight school weeks")
    return strip(days, name, language, small=small)


class _Tongue:
    """`t` of the templates: words, dates and figures in the page's language."""

    def __init__(self, language: Language) -> None:
        self._language: Language = language

    def __call__(self, sv: str | Words | Mapping[str, str], en: str = "") -> str:
        """The one of two texts, of a pair, or of a mapping by language."""
        if isinstance(sv, str):
            return en if self._language == "en" else sv
        if isinstance(sv, Words):
            return sv.en if self._language == "en" else sv.sv
        return sv.get(self._language) or sv.get("sv", "")

    def on(self, day: date) -> Markup:
        """A date as staff say it, with the exact one for machines."""
        said = day_of(day)
        return Markup('<time datetime="{}">{}</time>').format(day.isoformat(), self(said))

    def at(self, moment: datetime) -> Markup:
        """The same of a moment, which is local already."""
        said = moment_of(moment)
        return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), self(said))

    def share(self, value: float) -> str:
        """0.163 as `16,3 %`, in English `16.3%`."""
        text = f"{value * 100:.1f}".removesuffix(".0")
        return f"{text}%" if self._language == "en" else f"{text.replace('.', ',')} %"

    def number(self, value: float) -> str:
        text = f"{value:.2f}".rstrip("0").rstrip(".")
        return text if self._language == "en" else text.replace(".", ",")
