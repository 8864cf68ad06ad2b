"""Answers as they come in: whose link it is, which pupil is meant, and what becomes of it."""

import secrets
from collections.abc import Sequence

from services.notify.answers import (
    AnswerRefusedError,
    Form,
    Given,
    NotNowError,
    Taken,
    UnknownLinkError,
    answer,
    is_expired,
)
from services.notify.desk import Desk, Note, Page, Signal, about
from services.notify.office import Memory, Office
from services.notify.outbox import INBOX, newest_time, page_key
from shared import metrics
from shared.telemetry import note


class Answering:
    """Takes answers for the process that holds the memory."""

    def __init__(self, memory: Memory, office: Office) -> None:
        self._memory = memory
        self._office = office

    async def give(self, token: str, form: Form) -> Taken:
        """Take the answer of the one whose link it is.

        Raises `UnknownLinkError`, `AnswerRefusedError` and `NotNowError`.
        """
        store = self._memory.store
        page = await store.page(page_key(token))
        if page is None:
            raise UnknownLinkError
        seen = await store.signals([item.shows for item in page.items])
        signal = _chosen([seen[item.shows] for item in page.items if item.shows in seen], form)
        async with self._memory.alone() as desk:
            refused = await self._take(desk, page, signal, form)
            await self._memory.write()
        if refused is not None:
            raise refused
        self._memory.news.set()
        case = desk.cases[about(signal.school, signal.pupil, "")]
        metrics.ANSWERS.labels(form.answer).inc()
        note("answered", answer=form.answer)
        return Taken(case.again_on)

    async def _take(self, desk: Desk, page: Page, signal: Signal, form: Form) -> Exception | None:
        """What went wrong is returned: raised here, it would leave the memory in doubt."""
        at, recipient = newest_time(desk), page.recipient
        if at is None:
            return NotNowError("no school time has come yet")
        world = await self._memory.world([recipient.school], self._office)
        roster, on = world.rosters.get(recipient.school), world.calendar.local_date(at)
        if recipient.staff and (roster is None or roster.member(recipient.staff, on) is None):
            return UnknownLinkError()
        if is_expired(page.made, on, world.calendar):
            return UnknownLinkError()
        member = roster.member(recipient.staff, on) if roster and recipient.staff else None
        if form.answer == "takes_over" and member and not {"eht", "rektor"} & set(member.roles):
            return AnswerRefusedError("only EHT takes a case over; met another role", "role")
        by, name = recipient.staff or INBOX, secrets.token_hex(8) if form.note else ""
        given = Given(signal.school, signal.pupil, form.answer, by, at, form.until, name)
        try:
            new = answer(desk, given, world.routing, world.calendar)
        except AnswerRefusedError as error:
            return error
        if new and form.note:
            kept = Note(signal.school, signal.pupil, by, at, form.note, form.for_eht)
            desk.put("notes", name, kept)
        return None


def _chosen(signals: Sequence[Signal], form: Form) -> Signal:
    """The pupil at a place of the page; units are answered to nobody."""
    pupils = {signal.pupil: signal for signal in signals if signal.pupil}
    if not 1 <= form.pupil <= len(pupils):
        raise AnswerRefusedError(
            f"met pupil {form.pupil}; wanted a place on the page, from 1 to {len(pupils)}", "place"
        )
    return list(pupils.values())[form.pupil - 1]
