"""The page that a message's link opens: what it told of, why, and the buttons to answer by.

The link, `/m/…`, is swapped for a cookie at once, so that it is in no history and no referrer.
What is opened then, `/s/…`, goes by a reference that opens nothing by itself. GET and HEAD change
nothing: mail scanners follow links. A link alone shows initials; names need a sign-on.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from services.notify.answers import AnswerRefusedError, Form, NotNowError, Taken, UnknownLinkError
from services.notify.pages.answer import Filled
from services.notify.pages.forms import LONGEST, body_of, filled, is_ours, proof
from services.notify.pages.site import Site
from services.notify.pages.words import Words, fate
from services.notify.rows import Case, Fate, Happened, Page, Shown, Signal
from shared.events import AnswerKind
from shared.picture import Picture
from shared.telemetry import note

_COOKIE_SECONDS = 12 * 3600
"""The link opens it again afterwards."""


@dataclass(frozen=True)
class Concern:
    """A pupil or unit that a message is about."""

    place: int
    """A pupil's place on the page, from 1; 0: a unit, which nobody answers."""
    about: Words
    items: tuple[tuple[Shown, Signal], ...]
    case: Case | None = None
    history: Sequence[Happened] = ()
    picture: Picture | None = None
    """The strip and the figures; None: they can't be had just now, or it is a unit."""

    @property
    def level(self) -> int:
        return max(signal.level for _, signal in self.items)

    @property
    def good_news(self) -> bool:
        return all(signal.good_news for _, signal in self.items)


@dataclass(frozen=True)
class Opened:
    """A message as its recipient sees it now."""

    page: Page | None
    """None: it was not opened by a link."""
    on: date
    """Today, by school time."""
    zone: tzinfo
    concerns: Sequence[Concern] = ()
    fates: Mapping[str, Fate] | None = None
    """What has become of findings since, by the step that opened them."""
    names: Mapping[str, str] | None = None
    """Of colleagues, by staff id."""
    is_eht: bool = False
    expired: bool = False
    """Its 20 school days are over: it can only be exchanged for a fresh one."""


class Links(Protocol):
    """What stands behind links."""

    async def open(self, token: str, place: int | None = None) -> Opened | None:
        """What a link opens, with all that is known of the pupil at a place; None: no such link.

        Raises `NotNowError`.
        """
        ...

    async def renew(self, token: str) -> None:
        """Send a fresh link in place of an expired one, to the same recipient, once a day.

        Raises `UnknownLinkError` and `NotNowError`.
        """
        ...


Give = Callable[[str, Form], Awaitable[Taken]]


def signal_routes(
    site: Site, links: Links, give: Give, reference: Callable[[str], str]
) -> list[BaseRoute]:
    """`/m/{token}` and `/s/{reference}`; `reference` names a link's page without opening it."""
    pages = _Pages(site, links, give, reference)
    return [
        Route("/m/{token}", pages.swap),
        Route("/m/{token}/renewal", pages.renew, methods=["POST"]),
        Route("/s/{reference}", pages.show),
        Route("/s/{reference}/{place:int}", pages.show),
        Route("/s/{reference}/{place:int}/answers", pages.answer, methods=["POST"]),
    ]


class _Pages:
    def __init__(
        self, site: Site, links: Links, give: Give, reference: Callable[[str], str]
    ) -> None:
        self._site = site
        self._links = links
        self._give = give
        self._reference = reference

    async def swap(self, request: Request) -> Response:
        """A link, for a cookie that is sent to its own page alone."""
        token = request.path_params["token"]
        try:
            opened = await self._links.open(token, 0)
        except NotNowError:
            return self._not_now(request)
        if opened is None:
            return self._unknown(request)
        if opened.expired:
            note("link expired")
            csrf = proof(token, "renewal")
            return self._site.page(
                request, "expired.html", status=410, csrf=csrf, token=token, opened=opened
            )
        name = self._reference(token)
        response = RedirectResponse(f"/s/{name}", 303, headers=self._site.headers)
        response.set_cookie(
            _cookie(name),
            token,
            max_age=_COOKIE_SECONDS,
            path=f"/s/{name}",
            secure=self._site.is_https,
            httponly=True,
            samesite="lax",
        )
        return response

    async def renew(self, request: Request) -> Response:
        token = request.path_params["token"]
        form = filled(await body_of(request, LONGEST) or b"")
        if not is_ours(request, form.get("csrf", ""), token, "renewal"):
            return self._unknown(request)
        try:
            await self._links.renew(token)
        except UnknownLinkError:
            return self._unknown(request)
        except NotNowError:
            return self._not_now(request)
        return self._site.page(request, "renewed.html")

    async def show(self, request: Request) -> Response:
        """All pupils of the message, or the one at a place with all that is known."""
        return await self._show(request, request.path_params.get("place"))

    async def _show(
        self,
        request: Request,
        place: int | None,
        *,
        status: int = 200,
        refused: str = "",
        form: Mapping[str, str] | None = None,
    ) -> Response:
        token = self._token(request)
        try:
            opened = await self._links.open(token, place) if token else None
        except NotNowError:
            return self._not_now(request)
        if opened is None or opened.page is None or opened.expired:
            return self._unknown(request)
        concerns = [each for each in opened.concerns if place is None or each.place == place]
        if place is not None and not concerns:
            return self._unknown(request)
        return self._site.page(
            request,
            "signals.html",
            status=status,
            opened=opened,
            concerns=[concern_of(each, opened) for each in concerns],
            page=opened.page,
            whose=(opened.names or {}).get(opened.page.whose, opened.page.whose),
            whole=place is not None or len(opened.concerns) == 1,
            alone=len(opened.concerns) == 1,
            base=f"/s/{request.path_params['reference']}",
            action=f"/s/{request.path_params['reference']}/{place or 1}/answers",
            csrf=proof(token, "answer"),
            may=offered(opened),
            done=request.query_params.get("svar", ""),
            refused=refused,
            form=form or {},
        )

    async def answer(self, request: Request) -> Response:
        token, place = self._token(request), request.path_params["place"]
        body = await body_of(request, LONGEST)
        if body is None:
            return await self._show(request, place, status=413, refused="long")
        form = filled(body)
        if not token or not is_ours(request, form.pop("csrf", ""), token, "answer"):
            return self._unknown(request)
        try:
            wanted = Filled.model_validate({**form, "pupil": place})
            await self._give(token, Form(**wanted.model_dump()))
        except UnknownLinkError:
            return self._unknown(request)
        except NotNowError:
            return self._not_now(request)
        except (AnswerRefusedError, ValidationError) as error:
            why = error.why if isinstance(error, AnswerRefusedError) else "date"
            return await self._show(request, place, status=422, refused=why, form=form)
        name = request.path_params["reference"]
        to = f"/s/{name}/{place}?svar={wanted.answer}#svar"
        return RedirectResponse(to, 303, headers=self._site.headers)

    def _token(self, request: Request) -> str:
        name = request.path_params["reference"]
        token = request.cookies.get(_cookie(name), "")
        return token if token and self._reference(token) == name else ""

    def _unknown(self, request: Request) -> Response:
        """The same for a link that never was, one of somebody else, and a lost cookie."""
        note("link refused")
        return self._site.page(request, "unknown.html", status=404)

    def _not_now(self, request: Request) -> Response:
        response = self._site.page(request, "not-now.html", status=503)
        response.headers["Retry-After"] = "5"
        return response


def _cookie(name: str) -> str:
    return f"narvara-{name}"


def offered(opened: Opened) -> Sequence[AnswerKind]:
    """The answers that this recipient may give, in the order of the buttons."""
    usual: tuple[AnswerKind, ...] = (
        "talked", "booked", "known_cause", "lift", "wrongly_registered", "not_relevant",
    )  # fmt: skip
    if opened.is_eht:
        return ("takes_over", *(each for each in usual if each != "lift"))
    return usual


def concern_of(each: Concern, opened: Opened) -> dict[str, Any]:
    case = each.case
    names = opened.names or {}
    last = case.answers[-1] if case and case.answers else None
    return {
        "place": each.place,
        "about": each.about,
        "level": each.level,
        "good_news": each.good_news,
        "signals": [_signal(item, signal, opened) for item, signal in each.items],
        "case": case,
        "last": last,
        "last_at": last.at.astimezone(opened.zone) if last else None,
        "last_by": names.get(last.by, "") if last else "",
        "history": [
            {"line": line, "who": names.get(line.who, "")} for line in reversed(each.history)
        ],
        "picture": each.picture,
        **_figures(each),
        "stands": any(
            (known := (opened.fates or {}).get(item.opened)) is None or known.level
            for item, _ in each.items
        ),
    }


def _figures(each: Concern) -> dict[str, Any]:
    """Figures and what would clear: of what was signalled, and of what else is open."""
    rules = {signal.rule for _, signal in each.items}
    shown = each.picture.rules if each.picture else []
    opened = each.picture.open if each.picture else []
    return {
        "rules": [rule for rule in shown if rule.rule in rules],
        "other_rules": [
            rule
            for rule in shown
            if rule.rule not in rules and (rule.level or rule.holds) and not rule.good_news
        ],
        "clearings": [found for found in opened if found.rule in rules],
    }


def _signal(item: Shown, signal: Signal, opened: Opened) -> dict[str, Any]:
    return {
        "title": signal.title,
        "since": signal.since,
        "level": signal.level,
        "words": signal.words,
        "good_news": signal.good_news,
        "item": item,
        "fate": fate((opened.fates or {}).get(item.opened), signal),
    }
