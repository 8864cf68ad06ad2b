"""Pages about a school as a whole: registrations to correct, counts for coordinators, the log."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from services.notify.access import all_pupils
from services.notify.access_log import Access
from services.notify.once_a_minute import OnceAMinute
from services.notify.pages.door import Door, Visit
from services.notify.pages.pupils import Cases, names_of
from services.notify.pages.words import LEVELS, RESULTS, WAYS, WHATS, Words, about
from services.notify.rows import Counted
from services.notify.views.coordination import Coordination, coordination
from services.notify.views.now import pupils_now
from shared.rulebook import Rulebook

_LINES = 200
"""Lines of the access log on its page."""


class Histories(Cases, Protocol):
    """What is kept of many pupils."""

    async def histories(
        self, school: str, pupils: Sequence[str]
    ) -> Mapping[str, Sequence[Counted]]: ...


Coverage = Callable[[str], Awaitable[float | None]]
"""Share of a school's lessons that is registered; None: that can't be told just now."""


class Log(Protocol):
    """The access log."""

    async def newest(self, school: str, most: int) -> Sequence[Access]: ...


def school_routes(
    door: Door,
    cases: Histories,
    coverage: Coverage,
    log: Log,
    rulebook: Callable[[], tuple[Rulebook, str]],
) -> list[BaseRoute]:
    """`/registrations`, `/coordination`, `/log`; `rulebook`: the one in force, and its version."""
    pages = _School(door, cases, coverage, log, rulebook)
    return [
        door.page("/registrations", "registrations", pages.registrations),
        door.page("/coordination", "coordination", pages.coordination),
        door.page("/log", "access_log", pages.log),
    ]


class _School:
    def __init__(
        self,
        door: Door,
        cases: Histories,
        coverage: Coverage,
        log: Log,
        rulebook: Callable[[], tuple[Rulebook, str]],
    ) -> None:
        self._door = door
        self._cases = cases
        self._coverage = coverage
        self._counted: OnceAMinute[tuple[str, date], Coordination] = OnceAMinute()
        self._log = log
        self._rulebook = rulebook

    async def registrations(self, request: Request, visit: Visit) -> Response:
        """What staff say is wrongly registered, and what is not registered at all."""
        desk, who, staff = self._cases.desk, visit.who, names_of(visit)
        pupils = {each.pupil: each for each in all_pupils(visit.roster, who.on)}
        cases = [each for each in desk.cases.values() if each.school == who.school and each.wrong]
        wrong: list[dict[str, Any]] = []
        for case in sorted(cases, key=lambda each: (each.wrong, each.pupil)):
            said = [each for each in case.answers if each.answer == "wrongly_registered"]
            pupil = pupils.get(case.pupil)
            if pupil is not None and said:
                wrong.append(
                    {
                        "name": pupil.name or pupil.pupil,
                        "school_class": pupil.school_class,
                        "on": case.wrong,
                        "who": staff.get(said[-1].by, said[-1].by),
                        "again_on": case.again_on,
                    }
                )
        units = [
            each
            for each in desk.findings.values()
            if each.school == who.school and not each.pupil and "admin" in each.audience
        ]
        signals = await self._cases.signals([each.shows for each in units])
        missing = [
            {"about": about(signal), "words": signal.words}
            for each in units
            if not each.shadow and (signal := signals.get(each.shows))
        ]
        await self._door.saw(visit, "registrations")
        return self._door.site.page(
            request, "registrations.html", visit=visit, wrong=wrong, missing=missing
        )

    async def coordination(self, request: Request, visit: Visit) -> Response:
        """Counts alone; the limits are changed in the rulebook's file."""
        who, staff = visit.who, names_of(visit)
        found = await self._counted.get(
            (who.school, who.on), visit.today.at.timestamp(), partial(self._count, visit)
        )
        rulebook, version = self._rulebook()
        titles = {rule.id: Words(rule.title.sv, rule.title.en) for rule in rulebook.rules}
        await self._door.saw(visit, "coordination")
        return self._door.site.page(
            request,
            "coordination.html",
            visit=visit,
            found=found,
            coverage=await self._coverage(who.school),
            rule_name=lambda name: titles.get(name, Words(name, name)),
            level_name=lambda name: LEVELS[int(name)],
            plain_name=lambda name: Words(name, name),
            staff_name=lambda name: staff.get(name, name),
            rulebook_version=version,
            changes=sorted(rulebook.changes, key=lambda each: each.on, reverse=True),
            rules=[
                {
                    "title": Words(rule.title.sv, rule.title.en),
                    "why": Words(rule.why.sv, rule.why.en) if rule.why else Words("", ""),
                    "enabled": rule.enabled,
                    "shadow": rule.shadow,
                }
                for rule in rulebook.rules
            ],
        )

    async def _count(self, visit: Visit) -> Coordination:
        who, pupils = visit.who, all_pupils(visit.roster, visit.who.on)
        histories = await self._cases.histories(who.school, [each.pupil for each in pupils])
        now = pupils_now(self._cases.desk, pupils, who.on)
        return coordination(pupils, histories, now, who.on)

    async def log(self, request: Request, visit: Visit) -> Response:
        staff, zone = names_of(visit), visit.today.calendar.zone
        pupils = {each.pupil: each.name or each.pupil for each in visit.pupils}
        rows = [
            {
                "at": line.at.astimezone(zone),
                "who": staff.get(line.staff, line.staff),
                "what": WHATS[line.what],
                "about": pupils.get(line.about, line.about),
                "how": WAYS[line.how],
                "result": RESULTS[line.result],
            }
            for line in await self._log.newest(visit.who.school, _LINES)
        ]
        await self._door.saw(visit, "access_log")
        return self._door.site.page(request, "log.html", visit=visit, rows=rows)
