"""Signing on with the school's account: to the provider, and back."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from hmac import compare_digest
from typing import Protocol
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.notify.oidc import SignOnError, Sought
from services.notify.pages.door import Door
from services.notify.pages.login import within
from services.notify.sessions import CODE_SECONDS
from shared.telemetry import note

BACK = "/login/oidc/back"
"""Where the provider sends browsers; IT registers it there."""

_SOUGHT = "narvara-oidc"


class Provider(Protocol):
    """What stands behind the school's account; each raises `SignOnError`."""

    async def address(self, sought: Sought) -> str: ...

    async def accounts(self, sought: Sought, answer: Mapping[str, str]) -> frozenset[str]: ...

    async def sign_out_address(self) -> str: ...


def oidc_routes(
    door: Door,
    provider: Provider,
    enter: Callable[[frozenset[str]], Awaitable[tuple[str, int]]],
    is_within: Callable[[str], Awaitable[bool]],
) -> list[BaseRoute]:
    """`/login/oidc`, where browsers come back, and the way out of the school's account.

    `enter` begins a session for whoever has one of some accounts by today's roster, and tells at
    how many schools they work; an empty secret: nobody.
    """

    async def leave(request: Request) -> Response:
        if not await is_within(request.client.host if request.client else ""):
            return door.too_many(request)
        then = within(request.query_params.get("then", "/"))
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (16, 16, 48))
        sought = Sought(state, nonce, verifier, then)
        try:
            response = door.redirect(await provider.address(sought))
        except SignOnError as error:
            return failed(request, error.reason)
        response.set_cookie(
            _SOUGHT,
            ".".join(quote(each, safe="") for each in sought),
            max_age=CODE_SECONDS,
            path="/login/oidc",
            secure=door.site.is_https,
            httponly=True,
            samesite="lax",
        )
        return response

    async def back(request: Request) -> Response:
        response = await came_back(request)
        response.delete_cookie(_SOUGHT, path="/login/oidc", httponly=True)
        return response

    async def came_back(request: Request) -> Response:
        kept = request.cookies.get(_SOUGHT, "").split(".", 3)
        if len(kept) != len(Sought._fields):
            return failed(request, "lost")
        sought = Sought(*map(unquote, kept))
        state = request.query_params.get("state", "")
        if not compare_digest(state.encode(), sought.state.encode()):
            return failed(request, "lost")
        try:
            accounts = await provider.accounts(sought, request.query_params)
        except SignOnError as error:
            return failed(request, error.reason)
        secret, schools = await enter(accounts)
        if not secret:
            note("sign-on unmatched")
            return door.site.page(request, "unmatched.html", status=403)
        note("signed on", how="oidc")
        return door.entered(secret, schools, within(sought.then))

    async def out(request: Request) -> Response:
        if not await is_within(request.client.host if request.client else ""):
            return door.too_many(request)
        try:
            place = await provider.sign_out_address()
        except SignOnError:
            place = ""
        if place:
            return door.redirect(place)
        return door.site.page(request, "still-signed-on.html", status=503)

    def failed(request: Request, reason: str) -> Response:
        note("sign-on failed", reason=reason)
        status = 503 if reason == "down" else 400
        return door.site.page(request, "sign-on-failed.html", status=status, reason=reason)

    return [Route("/login/oidc", leave), Route(BACK, back), Route("/login/oidc/out", out)]
