"""The work-team brief: what a meeting goes through, and what it decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from services.notify.access import Visitor
from services.notify.casework import CaseworkRefusedError
from services.notify.pages.door import Door, Visit
from services.notify.pages.pupils import Cases, names_of
from services.notify.pages.words import Words
from services.notify.rows import Decision, Signal
from services.notify.views.brief import Line, Part, brief, teams
from services.notify.views.now import PupilNow

PARTS: Mapping[Part, Words] = {
    "overdue": Words("Försenade beslut", "Overdue decisions"),
    "new": Words("Nya", "New"),
    "worse": Words("Sämre", "Worse"),
    "unanswered": Words("Obesvarade", "Unanswered"),
    "returning": Words("Kvarstår efter svar", "Still standing after an answer"),
    "better": Words("Bättre", "Better"),
}

_NAMED = 2
"""Signals of a pupil that a line names; of others it says how many."""


class Decisions(Cases, Protocol):
    """Where decisions are written down."""

    async def decide(
        self, who: Visitor, pupil: str, name: str, *, what: str, by_whom: str, by: date
    ) -> None:
        """Raises `CaseworkRefusedError`."""
        ...

    async def finish(self, who: Visitor, name: str) -> None: ...


def meeting_routes(door: Door, cases: Decisions, once: "Name") -> list[BaseRoute]:
    """`/brief`, and the decisions of a meeting."""
    pages = _Meeting(door, cases, once)
    return [
        door.page("/brief", "brief", pages.show),
        door.post("/brief/decisions", "brief", pages.decide),
        door.post("/brief/done", "brief", pages.finish),
    ]


class Name(Protocol):
    """A name for what a form may write once."""

    def __call__(self) -> str: ...


class _Meeting:
    def __init__(self, door: Door, cases: Decisions, once: Name) -> None:
        self._door = door
        self._cases = cases
        self._once = once

    async def show(self, request: Request, visit: Visit) -> Response:
        return await self._show(request, visit, request.query_params)

    async def decide(self, request: Request, visit: Visit, form: Mapping[str, str]) -> Response:
        pupil, by = visit.pupil(form.get("pupil", "")), _date(form.get("by", ""))
        known = visit.roster.member(form.get("who", ""), visit.who.on)
        back = _back(form)
        if pupil is None:
            return self._door.nothing(request, visit)
        if by is None or known is None:
            return await self._show(request, visit, back, refused=True)
        name, what = form.get("once", "")[:16] + pupil.pupil, form.get("what", "")
        try:
            await self._cases.decide(
                visit.who, pupil.pupil, name, what=what, by_whom=known.staff, by=by
            )
        except CaseworkRefusedError:
            return await self._show(request, visit, back, refused=True)
        await self._door.saw(visit, "brief", pupil.pupil, "done")
        return self._door.redirect(f"/brief?{urlencode({**back, 'saved': 1})}")

    async def finish(self, request: Request, visit: Visit, form: Mapping[str, str]) -> Response:
        del request
        await self._cases.finish(visit.who, form.get("decision", ""))
        return self._door.redirect(f"/brief?{urlencode(_back(form))}")

    async def _show(
        self, request: Request, visit: Visit, query: Mapping[str, str], *, refused: bool = False
    ) -> Response:
        pupils = [each for each in visit.pupils if not each.protected]
        known = teams(pupils)
        team = query.get("team", "") if query.get("team") in known else ""
        on = _date(query.get("date", "")) or visit.who.on
        codes = bool(query.get("codes"))
        chosen = [each for each in pupils if not team or each.work_team == team]
        parts = brief(self._cases.desk, chosen, on)
        shown = [
            finding.shows
            for lines in parts.values()
            for line in lines
            for finding in line.now.findings[:_NAMED]
        ]
        signals = {} if codes else await self._cases.signals(shown)
        staff = names_of(visit)
        row = partial(_line, visit, signals=signals, staff=staff, codes=codes)
        back = urlencode({"team": team, "date": on.isoformat()})
        await self._door.saw(visit, "brief")
        return self._door.site.page(
            request,
            "brief.html",
            status=422 if refused else 200,
            visit=visit,
            team=team,
            teams=known,
            on=on,
            today=visit.who.on,
            codes=codes,
            parts=[
                {
                    "name": part,
                    "title": title,
                    "lines": [row(line) for line in parts[part]],
                }
                for part, title in PARTS.items()
            ],
            any=any(parts.values()),
            staff=sorted(staff.items(), key=lambda each: each[1]),
            csrf=visit.csrf,
            once=self._once(),
            back=back,
            saved=query.get("saved"),
            refused=refused,
        )


@dataclass(frozen=True)
class _Owed:
    """A decision that is not done yet."""

    name: str
    row: Decision
    who: str


@dataclass(frozen=True)
class _Row:
    """A line as it is shown. No mapping: of those, templates look for attributes first."""

    now: PupilNow
    name: str
    school_class: str
    teachers: str
    reference: str
    signals: Sequence[Signal]
    more: int
    decisions: Sequence[_Owed]


def _line(
    visit: Visit,
    line: Line,
    *,
    signals: Mapping[str, Signal],
    staff: Mapping[str, str],
    codes: bool,
) -> _Row:
    now, pupil = line.now, line.now.pupil
    teachers: Sequence[str] = [staff.get(each, each) for each in pupil.contact_teachers]
    return _Row(
        now,
        pupil.pupil if codes else pupil.name or pupil.pupil,
        "" if codes else pupil.school_class,
        "" if codes else ", ".join(teachers),
        visit.reference(pupil),
        [signals[each.shows] for each in now.findings[:_NAMED] if each.shows in signals],
        len(now.findings[_NAMED:]),
        [_Owed(name, row, staff.get(row.who, row.who)) for name, row in line.decisions],
    )


def _back(form: Mapping[str, str]) -> dict[str, str]:
    """Where the form was: the team and date of the brief."""
    from_form = dict(pair.partition("=")[::2] for pair in form.get("back", "").split("&"))
    return {key: from_form[key] for key in ("team", "date") if from_form.get(key)}


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
