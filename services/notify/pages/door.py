"""The door to pages that need a sign-on: who it is today, and whether they may."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from services.notify.access import (
    Visitor,
    What,
    pupils_of,
    reference,
    resolved,
    visitor,
)
from services.notify.access_log import Access, Result
from services.notify.answers import NotNowError
from services.notify.pages.forms import body_of, filled, is_ours, proof
from services.notify.pages.site import Site
from services.notify.pages.words import Words
from services.notify.routing import Routing
from services.notify.sessions import LONGEST_SECONDS, Session
from shared.calendar import SchoolCalendar
from shared.roster import Roster, RosterPupil
from shared.telemetry import note

MENU: tuple[tuple[str, What, Words], ...] = (
    ("/hour", "own_pupils", Words("Mina elever", "My pupils")),
    ("/brief", "brief", Words("Arbetslagsmöte", "Work-team meeting")),
    ("/investigations", "investigation", Words("Utredningar", "Investigations")),
    ("/registrations", "registrations", Words("Registreringar", "Registrations")),
    ("/coordination", "coordination", Words("Översikt", "Overview")),
    ("/log", "access_log", Words("Åtkomstlogg", "Access log")),
)
"""Pages by what may be seen there; the first that somebody may see is where they begin."""


@dataclass(frozen=True)
class Today:
    """What holds at a school now."""

    roster: Roster | None
    routing: Routing
    calendar: SchoolCalendar
    at: datetime
    """School time."""

    @property
    def on(self) -> date:
        return self.calendar.local_date(self.at)


class Reception(Protocol):
    """What the door asks."""

    async def today(self, school: str) -> Today:
        """Raises `NotNowError`."""
        ...

    async def session(self, secret: str) -> Session | None: ...

    async def sign_out(self, secret: str) -> None: ...

    async def log(self, line: Access) -> None: ...


@dataclass(frozen=True)
class Visit:
    """One request of somebody who has signed on, by today's roster."""

    who: Visitor
    today: Today
    roster: Roster
    session: Session
    path: str
    secret: str = field(repr=False)

    @property
    def csrf(self) -> str:
        """Goes into every form of the page."""
        return proof(self.secret, "form")

    @property
    def menu(self) -> list[tuple[str, Words]]:
        return [(path, words) for path, what, words in MENU if self.who.may(what)]

    @property
    def pupils(self) -> list[RosterPupil]:
        """All that they may look at."""
        return pupils_of(self.who, self.roster, self.today.routing)

    def reference(self, pupil: RosterPupil) -> str:
        """Names a pupil in this visit's addresses."""
        return reference(self.secret, f"{pupil.school}/{pupil.pupil}")

    def pupil(self, name: str) -> RosterPupil | None:
        """Whom a reference names; None: nobody whom they may look at."""
        return resolved(self.secret, name, self.pupils)


Show = Callable[[Request, Visit], Awaitable[Response]]
Post = Callable[[Request, Visit, Mapping[str, str]], Awaitable[Response]]


class Door:
    """Lets in those who may."""

    def __init__(self, site: Site, reception: Reception) -> None:
        self.site = site
        self.reception = reception
        self.cookie = "__Host-narvara" if site.is_https else "narvara"

    def routes(self) -> list[BaseRoute]:
        """`/`, where everybody begins, and `/logout`."""

        async def begin(request: Request) -> Response:
            visit = await self._visit(request)
            if visit is None:
                return self.redirect("/login")
            return self.redirect(visit.menu[0][0] if visit.menu else "/tillganglighet")

        async def leave(request: Request) -> Response:
            secret = request.cookies.get(self.cookie, "")
            form = filled(await body_of(request) or b"")
            if not is_ours(request, form.get("csrf", ""), secret, "form"):
                return self.refused(request)
            await self.reception.sign_out(secret)
            response = self.redirect("/login?out=1")
            response.delete_cookie(self.cookie, secure=self.site.is_https, httponly=True)
            return response

        return [Route("/", begin), Route("/logout", leave, methods=["POST"])]

    def page(self, path: str, what: What, show: Show) -> Route:
        """A page for those who may see `what`."""

        async def endpoint(request: Request) -> Response:
            visit = await self._entered(request, what)
            if isinstance(visit, Response):
                return visit
            try:
                return await show(request, visit)
            except NotNowError:
                return self.not_now(request)

        return Route(path, endpoint)

    def post(self, path: str, what: What, post: Post) -> Route:
        """A form that those may post who may see `what`, from our own page alone."""

        async def endpoint(request: Request) -> Response:
            visit = await self._entered(request, what)
            if isinstance(visit, Response):
                return visit
            form = filled(await body_of(request) or b"")
            if not is_ours(request, form.pop("csrf", ""), visit.secret, "form"):
                return self.refused(request)
            try:
                return await post(request, visit, form)
            except NotNowError:
                return self.not_now(request)

        return Route(path, endpoint, methods=["POST"])

    async def saw(
        self, visit: Visit, what: What, about: str = "", result: Result = "shown"
    ) -> None:
        """A line of the access log."""
        who = visit.who
        at = visit.today.at
        line = Access(at, who.school, who.staff, what, about, visit.session.how, result)
        await self.reception.log(line)

    def redirect(self, to: str) -> RedirectResponse:
        return RedirectResponse(to, 303, headers=self.site.headers)

    def entered(self, secret: str, schools: int, then: str) -> Response:
        """Somebody has signed on; who works at several schools says first at which they are now."""
        response = self.redirect(then if schools == 1 else f"/login/school?then={quote(then)}")
        response.set_cookie(
            self.cookie,
            secret,
            max_age=LONGEST_SECONDS,
            secure=self.site.is_https,
            httponly=True,
            samesite="lax",
        )
        return response

    def too_many(self, request: Request) -> Response:
        response = self.site.page(request, "too-many.html", status=429)
        response.headers["Retry-After"] = "60"
        return response

    def refused(self, request: Request, visit: Visit | None = None) -> Response:
        note("page refused")
        return self.site.page(request, "refused.html", status=403, visit=visit)

    def nothing(self, request: Request, visit: Visit) -> Response:
        """The same for what is not there and for what is somebody else's."""
        note("page unknown")
        return self.site.page(request, "nothing.html", status=404, visit=visit)

    def not_now(self, request: Request) -> Response:
        response = self.site.page(request, "not-now.html", status=503)
        response.headers["Retry-After"] = "5"
        return response

    async def _entered(self, request: Request, what: What) -> Visit | Response:
        try:
            visit = await self._visit(request)
        except NotNowError:
            return self.not_now(request)
        if visit is None:
            here = request.url.path if request.method == "GET" else "/"
            return self.redirect(f"/login?then={quote(here)}")
        if not visit.who.may(what):
            await self.saw(visit, what, result="refused")
            return self.refused(request, visit)
        return visit

    async def _visit(self, request: Request) -> Visit | None:
        """Who it is, by today's roster; whoever has left is signed out."""
        secret = request.cookies.get(self.cookie, "")
        session = await self.reception.session(secret)
        if session is None:
            return None
        school, staff = session.people[session.at]
        today = await self.reception.today(school)
        who = visitor(today.roster, staff, today.on)
        if who is None or today.roster is None:
            await self.reception.sign_out(secret)
            return None
        return Visit(who, today, today.roster, session, request.url.path, secret)
