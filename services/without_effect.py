"""What a config file says to no effect: rules that nobody has, days that were none anyway.

Each file is right by itself, and the services take it; whoever wrote it hardly meant it. Only
`narvara check` asks, and warns.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from services.checks import Remark
from services.notify.routing import Routing
from shared.calendar import SchoolCalendar
from shared.config import Located, Location, Problem
from shared.rulebook import Rulebook


def unknown_rules(path: Path, read: Located[Routing], rulebook: Rulebook) -> Iterator[Remark]:
    """Rules that a route or silence of the file at `path` names and no school has."""
    known = {rule.id for rule in rulebook.rules}
    known |= {each.id for change in rulebook.schools.values() for each in change.rules}
    matchers = {"silences": read.value.silences, "routes": read.value.routes}
    for key, lines in matchers.items():
        for number, line in enumerate(lines):
            for place, rule in enumerate(line.rules):
                if rule not in known:
                    near = get_close_matches(rule, sorted(known), 1)
                    hint = f"did you mean {near[0]}?" if near else "leave it out"
                    what = f"no rule is called {rule!r}; {hint}"
                    yield _warning(path, read, (key, number, "rules", place), what)


def days_elsewhere(path: Path, read: Located[SchoolCalendar]) -> Iterator[Remark]:
    """Days off outside their school year, and late buses on days without school."""
    calendar = read.value
    for place, year in enumerate(calendar.school_years):
        first, last = year.terms[0].first, year.terms[-1].last
        for number, off in enumerate(year.days_off):
            if off.last < first or off.first > last:
                what = f"lies outside its school year, {first} to {last}; mend the dates"
                yield _warning(path, read, ("school_years", place, "days_off", number), what)
    for number, delay in enumerate(calendar.bus_delays):
        if not calendar.is_school_day(delay.date):
            what = f"{delay.date} is no school day; mend the date"
            yield _warning(path, read, ("bus_delays", number, "date"), what)


def _warning(
    path: Path, read: Located[Routing] | Located[SchoolCalendar], at: Location, what: str
) -> Remark:
    problem = Problem(str(path), read.line(at), ".".join(map(str, at)), what)
    return Remark(problem, warning=True)
