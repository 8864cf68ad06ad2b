"""What a rulebook promises and can't keep: its examples, and levels that can never hold.

Only `narvara check` asks this. Whatever reloads a rulebook checks its form alone, which is quick.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from services.rules.example import outcome
from services.rules.reach import Flaw, flaws
from shared.config import Located, Location, Problem
from shared.rulebook import Example, Rulebook


class Remark(NamedTuple):
    """Something said of a file; only a problem makes it unfit."""

    problem: Problem
    warning: bool = False

    def __str__(self) -> str:
        if not self.warning:
            return str(self.problem)
        said = self.problem
        return f"{said.file}:{said.line}: warning: {said.where}: {said.what}"


class _Promise(NamedTuple):
    """An example where it stands, with the rulebook that must keep it."""

    at: Location
    rulebook: Rulebook
    rule: str | None
    """None: the handover's."""
    example: Example


def remarks(path: Path, read: Located[Rulebook], done: Callable[[int], None]) -> Iterator[Remark]:
    """All remarks on a valid rulebook file. `done` is told how many examples have been folded."""
    for number, promise in enumerate(_promises(read.value), 1):
        if what := _broken(promise):
            yield Remark(Problem(str(path), read.line(promise.at), _where(promise), what))
        done(number)
    for at, where, flaw in _flaws(read.value):
        yield Remark(Problem(str(path), read.line(at), where, flaw.what), flaw.warning)


def _promises(rulebook: Rulebook) -> Iterator[_Promise]:
    """The examples of every rule and handover. A school's own are kept by its own rulebook."""
    for place, rule in enumerate(rulebook.rules):
        for number, example in enumerate(rule.examples):
            yield _Promise(("rules", place, "examples", number), rulebook, rule.id, example)
    for number, example in enumerate(rulebook.handover.examples if rulebook.handover else ()):
        yield _Promise(("handover", "examples", number), rulebook, None, example)
    for school, change in rulebook.schools.items():
        own = rulebook.for_school(school)
        at: Location = ("schools", school)
        for place, rule_change in enumerate(change.rules):
            for number, example in enumerate(rule_change.examples or ()):
                there = (*at, "rules", place, "examples", number)
                yield _Promise(there, own, rule_change.id, example)
        for number, example in enumerate(change.handover.examples if change.handover else ()):
            yield _Promise((*at, "handover", "examples", number), own, None, example)


def _broken(promise: _Promise) -> str:
    """How an example differs from what the fold finds; empty: it doesn't."""
    try:
        found = outcome(promise.rulebook, promise.rule, promise.example)
    except ValueError as error:
        return str(error)
    if found == promise.example.level:
        return ""
    finding = "the finding" if promise.rule else "the highest finding"
    return f"expected level {promise.example.level}, {finding} stands at {found}"


def _where(promise: _Promise) -> str:
    school = promise.at[:2] if promise.at[0] == "schools" else ()
    return ".".join(map(str, (*school, promise.rule or "handover", *promise.at[-2:])))


def _flaws(rulebook: Rulebook) -> Iterator[tuple[Location, str, Flaw]]:
    """Flaws with their places in the file. Of a school's, those that only its changes make."""
    places = {rule.id: place for place, rule in enumerate(rulebook.rules)}
    everywhere = list(flaws(rulebook))
    for flaw in everywhere:
        level: Location = ("levels", flaw.level) if flaw.level else ()
        yield ("rules", places[flaw.rule], *level), _named(flaw), flaw
    for school in rulebook.schools:
        for flaw in flaws(rulebook.for_school(school)):
            if flaw not in everywhere:
                yield ("schools", school), f"schools.{school}.{_named(flaw)}", flaw


def _named(flaw: Flaw) -> str:
    return f"{flaw.rule}.levels.{flaw.level}" if flaw.level else flaw.rule
