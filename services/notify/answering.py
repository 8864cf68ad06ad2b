"""Answers as they come in: whose they are, which pupil is meant, and what becomes of it."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from services.notify.access import Visitor, visitor
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
from services.notify.desk import Desk
from services.notify.office import Memory, Office
from services.notify.outbox import INBOX, newest_time, page_key
from services.notify.rows import Note, Signal, about
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
        at, calendar = self._now(self._memory.as_it_is()), self._office.calendar()
        on, recipient = calendar.local_date(at), page.recipient
        roster = await self._memory.roster(recipient.school)
        who = visitor(roster, recipient.staff, on)
        if (recipient.staff and who is None) or is_expired(page.made, on, calendar):
            raise UnknownLinkError
        seen = await store.signals([item.shows for item in page.items])
        signal = _chosen([seen[item.shows] for item in page.items if item.shows in seen], form)
        return await self._take(signal.school, signal.pupil, who, form)

    async def give_as(self, who: Visitor, pupil: str, form: Form) -> Taken:
        """Take the answer of somebody who has signed on, and may look at the pupil.

        Raises `AnswerRefusedError` and `NotNowError`.
        """
        return await self._take(who.school, pupil, who, form)

    async def _take(self, school: str, pupil: str, who: Visitor | None, form: Form) -> Taken:
        """`who`: None for the inbox of the school's EHT."""
        if form.answer == "takes_over" and who and not who.may("brief"):
            raise AnswerRefusedError("only EHT takes a case over; met another role", "role")
        by, name = who.staff if who else INBOX, secrets.token_hex(8) if form.note else ""
        async with self._memory.alone() as desk:
            at = self._now(desk)
            given = Given(school, pupil, form.answer, by, at, form.until, name)
            # What is refused leaves the memory as it was; raised in here, it would be in doubt.
            refused = self._answer(desk, given, form)
            await self._memory.write()
        if refused is not None:
            raise refused
        self._memory.news.set()
        metrics.ANSWERS.labels(form.answer).inc()
        note("answered", answer=form.answer)
        return Taken(desk.cases[about(school, pupil, "")].again_on)

    def _answer(self, desk: Desk, given: Given, form: Form) -> AnswerRefusedError | None:
        office = self._office
        try:
            new = answer(desk, given, office.routing(), office.calendar())
        except AnswerRefusedError as error:
            return error
        if new and form.note:
            kept = Note(given.school, given.pupil, given.by, given.at, form.note, form.for_eht)
            desk.put("notes", given.note, kept)
        return None

    def _now(self, desk: Desk) -> datetime:
        at = newest_time(desk)
        if at is None:
            raise NotNowError("no school time has come yet")
        return at


def _chosen(signals: Sequence[Signal], form: Form) -> Signal:
    """The pupil at a place of the page; units are answered to nobody."""
    pupils = {signal.pupil: signal for signal in signals if signal.pupil}
    if not 1 <= form.pupil <= len(pupils):
        raise AnswerRefusedError(
            f"met pupil {form.pupil}; wanted a place on the page, from 1 to {len(pupils)}", "place"
        )
    return list(pupils.values())[form.pupil - 1]
