"""What a message's link opens, put together: the page as kept, and all that is known since."""

from collections.abc import Mapping, Sequence
from datetime import date

from services.notify.answers import NotNowError, UnknownLinkError, is_expired
from services.notify.channels.sms_46elks.reports import Report
from services.notify.desk import Desk
from services.notify.fresh_link import failed, send_fresh
from services.notify.office import Memory, Office
from services.notify.outbox import newest_time, page_key
from services.notify.pages.pupils import Pictures
from services.notify.pages.signal import Concern, Opened
from services.notify.pages.words import Words, about, initials
from services.notify.rows import IT, Page, Recipient, Shown, Signal
from shared.roster import Roster, StaffMember

_SHOWN_AS = 22
"""Characters of a page's reference: 88 bits, enough to tell it from all others."""

_EHT = frozenset({"eht", "rektor"})


def reference_of(token: str) -> str:
    """Names a link's page in addresses; opens nothing."""
    return page_key(token)[:_SHOWN_AS]


class Opening:
    """Opens links for the process that holds the memory."""

    def __init__(self, memory: Memory, office: Office, pictures: Pictures) -> None:
        self._memory = memory
        self._office = office
        self._pictures = pictures

    async def open(self, token: str, place: int | None = None) -> Opened | None:
        """What a link opens, with all that is known of the pupil at a place (0: of nobody).

        None: there is no such link, or its recipient is not in today's roster any more. Of the
        only pupil of a message all is told. Raises `NotNowError`.
        """
        page = await self._memory.store.page(page_key(token))
        if page is None:
            return None
        desk = self._memory.as_it_is()
        at = newest_time(desk)
        if at is None:
            raise NotNowError("no school time has come yet")
        calendar, school = self._office.calendar(), page.recipient.school
        roster, on = await self._memory.roster(school), calendar.local_date(at)
        member = roster.member(page.recipient.staff, on) if roster else None
        if page.recipient.staff not in {"", IT} and member is None:
            return None
        if is_expired(page.made, on, calendar):
            return Opened(page, on, calendar.zone, expired=True)
        concerns = await self._concerns(page, desk, roster, on, place)
        opened = dict.fromkeys(item.opened for item in page.items)
        return Opened(
            page,
            on,
            calendar.zone,
            concerns,
            await self._memory.store.fates(list(opened)),
            _names(roster, on),
            is_eht=_is_eht(page.recipient, member),
        )

    async def renew(self, token: str) -> None:
        """Send a fresh link, once a day and page. Raises `UnknownLinkError` and `NotNowError`."""
        page = await self._memory.store.page(page_key(token))
        opened = await self.open(token, 0)
        if page is None or opened is None or not opened.expired:
            raise UnknownLinkError
        if page.renewed == opened.on:
            return
        async with self._memory.alone() as desk:
            at = newest_time(desk)
            if at is None:
                raise NotNowError("no school time has come yet")
            desk.put("messages", page_key(token), page.but(renewed=opened.on))
            send_fresh(
                desk, page, page_key(token), self._office.token(), at, channels=("email", "sms")
            )
            await self._memory.write()
        self._memory.news.set()

    async def take_report(self, report: Report) -> None:
        """What became of an SMS; whoever did not get it is sent a link by mail.

        Raises `NotNowError`.
        """
        if report.status == "sent":
            return
        row = self._memory.as_it_is().texted.get(report.message)
        page = await self._memory.store.page(row.page) if row else None
        async with self._memory.alone() as desk:
            at = newest_time(desk)
            if at is None:
                return
            if page is not None and report.status == "failed":
                failed(desk, report.message, page, self._office.token(), at)
            elif report.message in desk.texted:
                desk.drop("texted", report.message)
            await self._memory.write()
        self._memory.news.set()

    async def _concerns(
        self, page: Page, desk: Desk, roster: Roster | None, on: date, place: int | None
    ) -> list[Concern]:
        store = self._memory.store
        seen = await store.signals([item.shows for item in page.items])
        groups: dict[str, list[tuple[Shown, Signal]]] = {}
        for item in page.items:
            if item.shows in seen:
                signal = seen[item.shows]
                groups.setdefault(signal.about, []).append((item, signal))
        places = _places(groups)
        whole = place if len(groups) > 1 or place == 0 else next(iter(places.values()), 0)
        looked_at = [key for key, at in places.items() if at and at == whole]
        pupils = [key.partition("/")[2] for key in looked_at]
        pictures = await self._pictures.pictures(page.recipient.school, pupils, brief=False)
        return [
            Concern(
                places.get(key, 0),
                _named(items[0][1], roster if page.kind != "protected" else None, on),
                tuple(items),
                desk.cases.get(key),
                await store.history(key) if key in looked_at else (),
                pictures.get(key.partition("/")[2]),
            )
            for key, items in groups.items()
        ]


def _places(groups: Mapping[str, Sequence[tuple[Shown, Signal]]]) -> dict[str, int]:
    """The places of the pupils on the page, from 1; units have none."""
    pupils = [key for key, items in groups.items() if items[0][1].pupil]
    return {key: place for place, key in enumerate(pupils, 1)}


def _named(signal: Signal, roster: Roster | None, on: date) -> Words:
    """Initials, where the roster has a name; a unit by its own."""
    pupil = roster.pupil(signal.pupil, on) if roster and signal.pupil else None
    short = initials(pupil.name) if pupil else ""
    return Words(short, short) if short else about(signal)


def _names(roster: Roster | None, on: date) -> dict[str, str]:
    """What colleagues are called, by staff id."""
    ids = dict.fromkeys(row.staff for row in roster.staff) if roster else {}
    known = [(staff, roster.member(staff, on)) for staff in ids] if roster else []
    return {staff: (member.name or staff) for staff, member in known if member}


def _is_eht(recipient: Recipient, member: StaffMember | None) -> bool:
    """The inbox of a school's EHT counts as theirs."""
    return not recipient.staff or (member is not None and bool(_EHT & set(member.roles)))
