"""What staff write down beside their answers: decisions of meetings, and rektor's investigations.

Pure: time comes as an argument, and every change is a line of the pupil's history.
"""

from datetime import date, datetime
from typing import Literal, NamedTuple

from services.notify.desk import Desk
from services.notify.rows import Decision, Happened, Investigation, Report, about

InvestigationStep = Literal["started", "not_needed", "ended", "reported"]

LONGEST = 300
"""Characters of a decision or a reason."""


class Pupil(NamedTuple):
    """Whom it is about."""

    school: str
    pupil: str


class Act(NamedTuple):
    """Who did something, and when: school time and the local date of it."""

    by: str
    at: datetime
    on: date


class CaseworkRefusedError(ValueError):
    """What was written down can't be taken; says what was met and what is wanted."""


def decide(desk: Desk, name: str, decision: Decision, on: date) -> None:
    """Take a decision in under an id; once more under the same id changes nothing.

    Raises `CaseworkRefusedError`.
    """
    if not decision.what.strip() or len(decision.what) > LONGEST:
        raise CaseworkRefusedError(
            f"met {len(decision.what)} characters; wanted from 1 to {LONGEST}"
        )
    if decision.by < on:
        raise CaseworkRefusedError(f"met {decision.by}; wanted a date from {on} on")
    if name in desk.decisions:
        return
    desk.put("decisions", name, decision)
    happened = Happened("decision", decision.at, on, name, decision.decided_by)
    desk.happened(decision.school, decision.pupil, happened)


def finish(desk: Desk, name: str, on: date) -> bool:
    """A decision has been carried out; False: there is none of that id that is not done."""
    known = desk.decisions.get(name)
    if known is None or known.done is not None:
        return False
    desk.put("decisions", name, known.but(done=on))
    return True


def investigate(
    desk: Desk,
    whom: Pupil,
    step: InvestigationStep,
    act: Act,
    *,
    why: str = "",
    elsewhere: bool = False,
    report: Report | None = None,
) -> None:
    """Take in what rektor did; `elsewhere`: another municipality is the pupil's home.

    A started investigation is reported to the huvudman at once (7 kap. 19 a § skollagen), and to
    the home municipality when that is another (22 §). Raises `CaseworkRefusedError`.
    """
    if len(why) > LONGEST:
        raise CaseworkRefusedError(f"met {len(why)} characters; wanted at most {LONGEST}")
    name, known = newest(desk, whom)
    if step in {"started", "not_needed"}:
        if known is not None and known.is_open:
            raise CaseworkRefusedError("an investigation is under way; end it first")
        if step == "not_needed" and not why.strip():
            raise CaseworkRefusedError("met no reason; wanted why it is not needed")
        needed = step == "started"
        owed: tuple[Report, ...] = ("huvudman", "home_municipality") if elsewhere else ("huvudman",)
        row = Investigation(*whom, act.on, act.by, needed, why, owed=owed if needed else ())
        desk.put("investigations", f"{about(*whom, '')} {act.on}", row)
    elif known is None or not known.needed:
        raise CaseworkRefusedError("no investigation has been started")
    elif step == "ended":
        if known.ended is not None:
            raise CaseworkRefusedError("it has been ended before")
        desk.put("investigations", name, known.but(ended=act.on))
    elif report is None or report not in known.owed:
        raise CaseworkRefusedError("that report is not owed")
    else:
        left = tuple(each for each in known.owed if each != report)
        made = {**known.made, report: act.on}
        desk.put("investigations", name, known.but(owed=left, made=made))
    said = f"reported {report}" if step == "reported" else step
    desk.happened(*whom, Happened("investigation", act.at, act.on, said, act.by))


def newest(desk: Desk, whom: Pupil) -> tuple[str, Investigation | None]:
    """A pupil's newest investigation, and its key."""
    of_pupil = [
        (name, row) for name, row in desk.investigations.items() if (row.school, row.pupil) == whom
    ]
    return max(of_pupil, key=lambda each: (each[1].begun, each[0]), default=("", None))
