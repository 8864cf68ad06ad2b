"""What pages that need a sign-on read and write, for the process that holds the memory."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from services.notify.access import Visitor
from services.notify.answers import NotNowError
from services.notify.casework import (
    Act,
    CaseworkRefusedError,
    InvestigationStep,
    Pupil,
    decide,
    finish,
    investigate,
)
from services.notify.desk import Desk
from services.notify.office import Memory, Office
from services.notify.outbox import newest_time
from services.notify.rows import Counted, Decision, Happened, Note, Report, Signal

Change = Callable[[Desk], object]


class Casebook:
    """Reads what is kept of cases, and writes down what staff decide."""

    def __init__(self, memory: Memory, office: Office) -> None:
        self._memory = memory
        self._office = office

    @property
    def desk(self) -> Desk:
        """To look at between two awaits, and not to change."""
        return self._memory.as_it_is()

    async def signals(self, steps: Sequence[str]) -> dict[str, Signal]:
        """What is seen of findings, by the steps that show them."""
        return await self._memory.store.signals(steps)

    async def history(self, school: str, pupil: str) -> list[Happened]:
        return await self._memory.store.history(f"{school}/{pupil}")

    async def histories(self, school: str, pupils: Sequence[str]) -> Mapping[str, list[Counted]]:
        return await self._memory.store.histories(school, pupils)

    async def notes(self, names: Sequence[str]) -> dict[str, Note]:
        return await self._memory.store.notes(names)

    async def decide(
        self, who: Visitor, pupil: str, name: str, *, what: str, by_whom: str, by: date
    ) -> None:
        """Write a decision of a meeting down, once for each `name`.

        Raises `CaseworkRefusedError` and `NotNowError`.
        """
        act = self._act(who)
        decision = Decision(who.school, pupil, what.strip(), by_whom, by, act.at, who.staff)
        await self._change(lambda desk: decide(desk, name, decision, act.on))

    async def finish(self, who: Visitor, name: str) -> None:
        """A decision has been carried out; one that is not there, or done, is passed over."""
        act = self._act(who)
        await self._change(lambda desk: _finish(desk, who.school, name, act.on))

    async def investigate(
        self,
        who: Visitor,
        pupil: str,
        step: InvestigationStep,
        *,
        why: str = "",
        elsewhere: bool = False,
        report: Report | None = None,
    ) -> None:
        """Write down what rektor did. Raises `CaseworkRefusedError` and `NotNowError`."""
        act, whom = self._act(who), Pupil(who.school, pupil)
        await self._change(
            lambda desk: investigate(
                desk, whom, step, act, why=why, elsewhere=elsewhere, report=report
            )
        )

    def _act(self, who: Visitor) -> Act:
        at = newest_time(self.desk)
        if at is None:
            raise NotNowError("no school time has come yet")
        return Act(who.staff, at, self._office.calendar().local_date(at))

    async def _change(self, change: Change) -> None:
        refused: CaseworkRefusedError | None = None
        async with self._memory.alone() as desk:
            # Refused, it has changed nothing; raised in here, the memory would be in doubt.
            try:
                change(desk)
            except CaseworkRefusedError as error:
                refused = error
            await self._memory.write()
        if refused is not None:
            raise refused


def _finish(desk: Desk, school: str, name: str, on: date) -> None:
    known = desk.decisions.get(name)
    if known is not None and known.school == school:
        finish(desk, name, on)


def once() -> str:
    """A name for what a form may write once."""
    return secrets.token_hex(8)
