"""The 19 a sheet: a neutral chronology of one pupil, and what rektor decides and reports."""

from collections.abc import Callable, Mapping
from typing import Protocol, cast, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from services.notify.access import Visitor
from services.notify.casework import CaseworkRefusedError, InvestigationStep, Pupil, newest
from services.notify.pages.door import Door, Visit
from services.notify.pages.pupils import Cases, Pictures, names_of
from services.notify.pages.strip import summed
from services.notify.rows import Report


class Investigations(Cases, Protocol):
    """Where investigations are written down."""

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
        """Raises `CaseworkRefusedError`."""
        ...


def sheet_routes(
    door: Door, cases: Investigations, pictures: Pictures, version: Callable[[], str]
) -> list[BaseRoute]:
    """`/sheet/{name}` and `/investigations`; `version`: of the rulebook in force."""
    pages = _Sheets(door, cases, pictures, version)
    return [
        door.page("/sheet/{name}", "sheet", pages.show),
        door.post("/sheet/{name}/steps", "investigation", pages.step),
        door.page("/investigations", "investigation", pages.all_open),
    ]


class _Sheets:
    def __init__(
        self, door: Door, cases: Investigations, pictures: Pictures, version: Callable[[], str]
    ) -> None:
        self._door = door
        self._cases = cases
        self._pictures = pictures
        self._version = version

    async def show(self, request: Request, visit: Visit) -> Response:
        return await self._show(request, visit, refused=False)

    async def step(self, request: Request, visit: Visit, form: Mapping[str, str]) -> Response:
        pupil, step, report = (
            visit.pupil(request.path_params["name"]), form.get("step"), form.get("report"),
        )  # fmt: skip
        if pupil is None or step not in get_args(InvestigationStep):
            return self._door.nothing(request, visit)
        try:
            await self._cases.investigate(
                visit.who,
                pupil.pupil,
                cast("InvestigationStep", step),
                why=form.get("why", "").strip(),
                elsewhere=bool(form.get("elsewhere")),
                report=cast("Report", report) if report in get_args(Report) else None,
            )
        except CaseworkRefusedError:
            return await self._show(request, visit, refused=True)
        await self._door.saw(visit, "investigation", pupil.pupil, "done")
        return self._door.redirect(f"/sheet/{visit.reference(pupil)}")

    async def all_open(self, request: Request, visit: Visit) -> Response:
        """Investigations under way, and reports that are owed: the oldest first."""
        pupils = {each.pupil: each for each in visit.pupils}
        rows = [
            {
                "row": row,
                "name": pupils[row.pupil].name or row.pupil,
                "school_class": pupils[row.pupil].school_class,
                "reference": visit.reference(pupils[row.pupil]),
            }
            for row in sorted(self._cases.desk.investigations.values(), key=lambda each: each.begun)
            if row.school == visit.who.school and row.pupil in pupils and (row.is_open or row.owed)
        ]
        await self._door.saw(visit, "investigation")
        return self._door.site.page(request, "investigations.html", visit=visit, rows=rows)

    async def _show(self, request: Request, visit: Visit, *, refused: bool) -> Response:
        pupil = visit.pupil(request.path_params["name"])
        if pupil is None:
            return self._door.nothing(request, visit)
        history = await self._cases.history(pupil.school, pupil.pupil)
        found = await self._pictures.pictures(pupil.school, [pupil.pupil], brief=False)
        picture, staff = found.get(pupil.pupil), names_of(visit)
        _, investigation = newest(self._cases.desk, Pupil(pupil.school, pupil.pupil))
        await self._door.saw(visit, "sheet", pupil.pupil)
        return self._door.site.page(
            request,
            "sheet.html",
            status=422 if refused else 200,
            visit=visit,
            name=pupil.name or pupil.pupil,
            school_class=pupil.school_class,
            on=visit.who.on,
            picture=picture,
            summed=summed(picture.days) if picture else None,
            history=[{"line": line, "who": staff.get(line.who, "")} for line in history],
            decisions=self._cases.desk.decisions,
            rulebook=self._version(),
            investigation=investigation,
            may_decide=visit.who.may("investigation"),
            reference=visit.reference(pupil),
            csrf=visit.csrf,
            refused=refused,
        )
