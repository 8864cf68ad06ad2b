"""Signing on by a code that goes to the mobile in the roster, and choosing a school."""

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.notify.pages.door import Door
from services.notify.pages.forms import body_of, filled, is_from_here, is_ours, proof
from services.notify.sessions import CODE_SECONDS
from shared.telemetry import note

Person = tuple[str, str]
"""School and staff id."""

_PENDING = "narvara-code"


class Codes(Protocol):
    """What stands behind codes."""

    async def send_code(self, email: str) -> str:
        """Send a code to whoever has a work address; the same for one that nobody has.

        Returns the secret that the browser keeps.
        """
        ...

    async def begin(self, secret: str, code: str) -> tuple[str, int]:
        """A session's secret, and at how many schools they work; empty: the code is wrong."""
        ...

    async def choose(self, secret: str, number: int) -> None:
        """Be who they are at another school."""
        ...

    async def schools(self, secret: str) -> Sequence[str]:
        """Where they work."""
        ...

    async def is_within(self, request_of: str) -> bool:
        """One more try of a client; False: too many."""
        ...


def login_routes(door: Door, codes: Codes, *, by_code: bool, by_oidc: bool) -> list[BaseRoute]:
    """`/login`, `/login/code` and `/login/school`."""
    pages = _Login(door, codes, by_code=by_code, by_oidc=by_oidc)
    routes: list[BaseRoute] = [Route("/login", pages.show)]
    if by_code:
        routes += [
            Route("/login", pages.ask, methods=["POST"]),
            Route("/login/code", pages.show_code),
            Route("/login/code", pages.take_code, methods=["POST"]),
        ]
    return [
        *routes,
        Route("/login/school", pages.show_schools),
        Route("/login/school", pages.choose, methods=["POST"]),
    ]


def within(then: str) -> str:
    """Where to go after the sign-on: a page of ours, whatever a link may say."""
    parts = urlsplit(then)
    ours = then.startswith("/") and not then.startswith(("//", "/\\")) and not parts.netloc
    return then if ours and then.isprintable() else "/"


class _Login:
    def __init__(self, door: Door, codes: Codes, *, by_code: bool, by_oidc: bool) -> None:
        self._door = door
        self._site = door.site
        self._codes = codes
        self._ways = {"by_code": by_code, "by_oidc": by_oidc}

    async def show(self, request: Request) -> Response:
        then = within(request.query_params.get("then", "/"))
        out = "out" in request.query_params
        return self._form(request, then, out=out)

    def _form(
        self, request: Request, then: str, *, status: int = 200, wrong: str = "", out: bool = False
    ) -> Response:
        """`out`: somebody has just signed out."""
        said = {"then": then, "wrong": wrong, "out": out, **self._ways}
        return self._site.page(request, "login.html", status=status, **said)

    async def ask(self, request: Request) -> Response:
        form = filled(await body_of(request) or b"")
        if not is_from_here(request):
            return self._door.refused(request)
        if not await self._may_try(request):
            return self._door.too_many(request)
        email, then = form.get("email", "").strip(), within(form.get("then", "/"))
        if "@" not in email or len(email) > 254:
            return self._form(request, then, status=422, wrong="email")
        pending = await self._codes.send_code(email)
        response = self._door.redirect(f"/login/code?then={then}")
        response.set_cookie(
            _PENDING,
            pending,
            max_age=CODE_SECONDS,
            path="/login",
            secure=self._site.is_https,
            httponly=True,
            samesite="lax",
        )
        return response

    async def show_code(self, request: Request) -> Response:
        then = within(request.query_params.get("then", "/"))
        return self._site.page(request, "code.html", then=then, wrong="")

    async def take_code(self, request: Request) -> Response:
        form = filled(await body_of(request) or b"")
        if not is_from_here(request):
            return self._door.refused(request)
        if not await self._may_try(request):
            return self._door.too_many(request)
        then = within(form.get("then", "/"))
        code = "".join(form.get("code", "").split())
        secret, schools = await self._codes.begin(request.cookies.get(_PENDING, ""), code)
        if not secret:
            note("sign-on refused")
            return self._site.page(request, "code.html", status=422, then=then, wrong="code")
        note("signed on", how="code")
        response = self._door.entered(secret, schools, then)
        response.delete_cookie(_PENDING, path="/login")
        return response

    async def show_schools(self, request: Request) -> Response:
        secret = request.cookies.get(self._door.cookie, "")
        schools = await self._codes.schools(secret)
        if not schools:
            return self._door.redirect("/login")
        then = within(request.query_params.get("then", "/"))
        csrf = proof(secret, "school")
        return self._site.page(request, "school.html", schools=schools, csrf=csrf, then=then)

    async def choose(self, request: Request) -> Response:
        secret = request.cookies.get(self._door.cookie, "")
        form = filled(await body_of(request) or b"")
        if not is_ours(request, form.get("csrf", ""), secret, "school"):
            return self._door.refused(request)
        number = form.get("school", "")
        if number.isdecimal() and len(number) < 4:
            await self._codes.choose(secret, int(number))
        return self._door.redirect(within(form.get("then", "/")))

    async def _may_try(self, request: Request) -> bool:
        return await self._codes.is_within(request.client.host if request.client else "")
