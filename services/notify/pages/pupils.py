"""Pages about pupils by name: the contact teacher's hour, and one pupil with notes and answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from services.notify.access import Visitor, own_pupils
from services.notify.answers import AnswerRefusedError, Form, Taken
from services.notify.desk import Desk
from services.notify.pages.answer import Filled
from services.notify.pages.door import Door, Visit
from services.notify.pages.signal import Concern, Opened, concern_of, offered
from services.notify.pages.words import Words
from services.notify.rows import Happened, Note, Shown, Signal, about
from services.notify.views.now import PupilNow, State, by_urgency, pupils_now
from shared.picture import Picture
from shared.roster import RosterPupil

PARTS: tuple[tuple[State, Words, bool], ...] = (
    ("needs", Words("Behöver dig nu", "Needs you now"), False),
    ("watch", Words("Att bevaka", "To watch"), False),
    ("better", Words("Går åt rätt håll", "Going the right way"), False),
    ("answered", Words("Besvarade", "Answered"), True),
    ("calm", Words("Övriga elever", "The other pupils"), True),
)
"""Parts of the hour in their order; the last are folded."""


class Cases(Protocol):
    """What pages read of cases."""

    @property
    def desk(self) -> Desk: ...

    async def signals(self, steps: Sequence[str]) -> dict[str, Signal]: ...

    async def history(self, school: str, pupil: str) -> list[Happened]: ...

    async def notes(self, names: Sequence[str]) -> dict[str, Note]: ...


class Pictures(Protocol):
    """Where pupils are looked at."""

    async def pictures(
        self, school: str, pupils: Sequence[str], *, brief: bool
    ) -> Mapping[str, Picture]:
        """By pupil; whoever can't be looked at just now is left out. Never raises."""
        ...


GiveAs = Callable[[Visitor, str, Form], Awaitable[Taken]]


def pupil_routes(door: Door, cases: Cases, pictures: Pictures, give: GiveAs) -> list[BaseRoute]:
    """`/hour`, `/pupil/{name}` and its answers."""
    pages = _Pupils(door, cases, pictures, give)
    return [
        door.page("/hour", "own_pupils", pages.hour),
        door.page("/pupil/{name}", "pupil", pages.show),
        door.post("/pupil/{name}/answers", "pupil", pages.answer),
    ]


class _Pupils:
    def __init__(self, door: Door, cases: Cases, pictures: Pictures, give: GiveAs) -> None:
        self._door = door
        self._cases = cases
        self._pictures = pictures
        self._give = give

    async def hour(self, request: Request, visit: Visit) -> Response:
        """The contact teacher's pupils, what needs them first."""
        pupils = own_pupils(visit.who, visit.roster)
        now = by_urgency(pupils_now(self._cases.desk, pupils, visit.who.on))
        shown = [finding.shows for each in now for finding in each.findings]
        signals = await self._cases.signals(shown)
        ids = [each.pupil.pupil for each in now]
        found = await self._pictures.pictures(visit.who.school, ids, brief=True)
        rows = [_row(visit, each, signals, found.get(each.pupil.pupil)) for each in now]
        parts = [
            {
                "name": state,
                "title": title,
                "folded": folded,
                "pupils": [row for row in rows if row["now"].state == state],
            }
            for state, title, folded in PARTS
        ]
        await self._door.saw(visit, "own_pupils")
        away = bool(ids) and not found
        return self._door.site.page(request, "hour.html", visit=visit, parts=parts, away=away)

    async def show(self, request: Request, visit: Visit) -> Response:
        pupil = visit.pupil(request.path_params["name"])
        if pupil is None:
            return self._door.nothing(request, visit)
        return await self._show(request, visit, pupil)

    async def answer(self, request: Request, visit: Visit, form: Mapping[str, str]) -> Response:
        pupil = visit.pupil(request.path_params["name"])
        if pupil is None:
            return self._door.nothing(request, visit)
        try:
            wanted = Filled.model_validate({**form, "pupil": 1})
            await self._give(visit.who, pupil.pupil, Form(**wanted.model_dump()))
        except (AnswerRefusedError, ValidationError) as error:
            why = error.why if isinstance(error, AnswerRefusedError) else "date"
            return await self._show(request, visit, pupil, refused=why, form=form)
        await self._door.saw(visit, "pupil", pupil.pupil, "done")
        return self._door.redirect(f"/pupil/{visit.reference(pupil)}?svar=1#svar")

    async def _show(
        self,
        request: Request,
        visit: Visit,
        pupil: RosterPupil,
        *,
        refused: str = "",
        form: Mapping[str, str] | None = None,
    ) -> Response:
        who, key = visit.who, about(pupil.school, pupil.pupil, "")
        (now,) = pupils_now(self._cases.desk, [pupil], who.on)
        signals = await self._cases.signals([each.shows for each in now.findings])
        history = await self._cases.history(pupil.school, pupil.pupil)
        pictures = await self._pictures.pictures(pupil.school, [pupil.pupil], brief=False)
        name = pupil.name or pupil.pupil
        said = f"{name}, {pupil.school_class}" if pupil.school_class else name
        concern = Concern(
            1,
            Words(said, said),
            tuple(
                (Shown(each.shows, each.opened), signals[each.shows])
                for each in now.findings
                if each.shows in signals
            ),
            self._cases.desk.cases.get(key),
            history,
            pictures.get(pupil.pupil),
        )
        opened = Opened(
            None,
            who.on,
            visit.today.calendar.zone,
            (concern,),
            names=names_of(visit),
            is_eht=who.may("brief"),
        )
        await self._door.saw(visit, "pupil", pupil.pupil)
        reference = visit.reference(pupil)
        return self._door.site.page(
            request,
            "pupil.html",
            status=422 if refused else 200,
            visit=visit,
            opened=opened,
            each=concern_of(concern, opened),
            whole=True,
            action=f"/pupil/{reference}/answers",
            reference=reference,
            csrf=visit.csrf,
            may=offered(opened),
            done=request.query_params.get("svar", ""),
            refused=refused,
            form=form or {},
            notes=await self._notes(visit, history),
            sheet=who.may("sheet"),
        )

    async def _notes(self, visit: Visit, history: Sequence[Happened]) -> list[dict[str, Any]]:
        """Notes that they may read, the newest first."""
        names = [line.note for line in history if line.note]
        kept = await self._cases.notes(names)
        zone, staff = visit.today.calendar.zone, names_of(visit)
        return [
            {
                "on": note.at.astimezone(zone).date(),
                "who": staff.get(note.by, note.by),
                "text": note.text,
                "for_eht": note.for_eht,
            }
            for name in reversed(names)
            if (note := kept.get(name)) and (not note.for_eht or visit.who.may("notes_for_eht"))
        ]


def names_of(visit: Visit) -> dict[str, str]:
    """What colleagues are called, by staff id."""
    ids = dict.fromkeys(row.staff for row in visit.roster.staff)
    known = ((staff, visit.roster.member(staff, visit.who.on)) for staff in ids)
    return {staff: member.name or staff for staff, member in known if member}


def _row(
    visit: Visit, now: PupilNow, signals: Mapping[str, Signal], picture: Picture | None
) -> dict[str, Any]:
    return {
        "now": now,
        "name": now.pupil.name or now.pupil.pupil,
        "school_class": now.pupil.school_class,
        "reference": visit.reference(now.pupil),
        "signals": [signals[each.shows] for each in now.findings if each.shows in signals],
        "picture": picture,
    }
