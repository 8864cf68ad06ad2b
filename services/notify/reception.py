"""Who comes to the pages: sessions, codes, and what holds at their school now."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Literal

from services.notify.access_log import Access, AccessLog
from services.notify.answers import NotNowError
from services.notify.message import Composed
from services.notify.office import Memory, Office
from services.notify.outbox import newest_time
from services.notify.pages.door import Today
from services.notify.sessions import Session, Sessions
from shared.roster import StaffMember
from shared.telemetry import note

_CODES_AN_HOUR = 5
"""To one address."""

_TRIES_A_MINUTE = 60
"""Of one client; many of a school come from one address."""

_CODE_BY: dict[str, tuple[str, ...]] = {
    "sms": ("sms",), "sms-or-mail": ("sms", "email"), "off": (),
}  # fmt: skip


class Reception:
    """For the process that holds the memory."""

    def __init__(
        self,
        memory: Memory,
        office: Office,
        sessions: Sessions,
        log: AccessLog,
        by: Literal["sms", "sms-or-mail", "off"],
    ) -> None:
        """`by`: how codes are sent."""
        self._memory = memory
        self._office = office
        self._sessions = sessions
        self._log = log
        self._by = _CODE_BY[by]
        self._sending: set[asyncio.Task[None]] = set()

    # -- the door

    async def today(self, school: str) -> Today:
        """What holds at a school now; raises `NotNowError` before any school time has come."""
        at, office = newest_time(self._memory.as_it_is()), self._office
        if at is None:
            raise NotNowError("no school time has come yet")
        return Today(await self._memory.roster(school), office.routing(), office.calendar(), at)

    async def session(self, secret: str) -> Session | None:
        return await self._sessions.find(secret, self._office.clock())

    async def sign_out(self, secret: str) -> None:
        await self._sessions.end(secret)

    async def log(self, line: Access) -> None:
        await self._log.write(line)

    # -- signing on

    async def people(self, is_theirs: Callable[[StaffMember], bool]) -> list[StaffMember]:
        """Who somebody is, at every school where they work today."""
        store = self._memory.store
        found = []
        for school, roster in (await store.rosters(await store.schools())).items():
            on = (await self.today(school)).on
            ids = dict.fromkeys(row.staff for row in roster.staff)
            members = (roster.member(each, on) for each in ids)
            found += [each for each in members if each is not None and is_theirs(each)]
        return found

    async def enter(
        self, accounts: Collection[str], matches: Literal["email", "staff"]
    ) -> tuple[str, int]:
        """A session's secret for whoever has one of some accounts, and at how many schools.

        Empty: nobody. A staff id that stands at several schools is one person's only where the
        address is the same; else nobody is let in by it.
        """
        wanted = {each.strip().lower() for each in accounts}
        if matches == "email":
            found = await self.people(lambda each: each.email.lower() in wanted - {""})
        else:
            found = await self.people(lambda each: each.staff.lower() in wanted)
            if len(found) > 1 and len({each.email.lower() or each for each in found}) > 1:
                note("sign-on ambiguous")
                return "", 0
        if not found:
            return "", 0
        people = [(each.school, each.staff) for each in found]
        return await self._sessions.begin(people, "oidc", self._office.clock()), len(people)

    async def send_code(self, email: str) -> str:
        """Send a code to whoever has a work address; the same for one that nobody has."""
        wanted = email.strip().lower()
        found = await self.people(lambda each: bool(each.email) and each.email.lower() == wanted)
        within = await self._sessions.is_within(f"code {wanted}", _CODES_AN_HOUR, 3600)
        way = next((way for each in found if (way := self._way(each))), None) if within else None
        people = [(each.school, each.staff) for each in found] if way else []
        secret, code = await self._sessions.begin_code(people)
        if way is not None:
            # Beside the answer, which would tell by its time whether the address is known.
            task = asyncio.create_task(self._send(*way, code))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return secret

    async def _send(self, channel: str, address: str, code: str) -> None:
        outcome = await self._office.channels[channel].send(address, self._composed(code))
        note("code sent", channel=channel, outcome=outcome.kind)

    async def begin(self, secret: str, code: str) -> tuple[str, int]:
        """A session's secret, and at how many schools they work; empty: the code is wrong."""
        people = await self._sessions.try_code(secret, code) if secret else ()
        if not people:
            return "", 0
        begun = await self._sessions.begin(people, "code", self._office.clock())
        return begun, len(people)

    async def schools(self, secret: str) -> Sequence[str]:
        session = await self.session(secret)
        return [school for school, _ in session.people] if session else []

    async def choose(self, secret: str, number: int) -> None:
        session = await self.session(secret)
        if session is not None and number < len(session.people):
            await self._sessions.choose(secret, session, number)

    async def is_within(self, request_of: str) -> bool:
        return await self._sessions.is_within(f"client {request_of}", _TRIES_A_MINUTE, 60)

    def _way(self, member: StaffMember) -> tuple[str, str] | None:
        ways = [("sms", member.mobile), ("email", member.email)]
        return next(
            (
                (channel, address)
                for channel, address in ways
                if address and channel in self._by and channel in self._office.channels
            ),
            None,
        )

    def _composed(self, code: str) -> Composed:
        office = self._office
        fields = {"link": f"{office.base_url}/login", "reference": code, "school": ""}
        made = datetime.fromtimestamp(office.clock(), UTC)
        return office.texts.compose("code", f"code {office.token()}", made, fields)
