"""Levels, fates and what signals are about, as staff read it: in Swedish and in English."""

from typing import NamedTuple

from services.notify.desk import Fate, Signal
from shared.events import StepKind


class Words(NamedTuple):
    """The same in both languages."""

    sv: str
    en: str


LEVELS = {
    1: Words("Bevaka", "Watch"),
    2: Words("Oro", "Concern"),
    3: Words("Allvar", "Serious"),
    4: Words("Kritisk", "Critical"),
}


def about(signal: Signal) -> Words:
    """Whom or what a signal is about: a pupil by id, a class, a group, or the whole school."""
    if signal.pupil:
        return Words(f"Elev {signal.pupil}", f"Pupil {signal.pupil}")
    kind, _, name = signal.unit.partition("/")
    if kind == "school":
        return Words("Skolan", "The school")
    if kind == "class":
        return Words(f"Klass {name}", f"Class {name}")
    if name:
        return Words(f"Gruppen {name}", f"Group {name}")
    return Words("Lektioner utan grupp", "Lessons of no group")


def fate(since: Fate | None, shown: Signal) -> Words | None:
    """What has become of a signal since; None: it stands as shown. Good news has no levels."""
    if since is None or since.level == shown.level or (since.level and shown.good_news):
        return None
    on = since.as_of.isoformat()
    if since.kind is StepKind.CLEARED:
        return Words(f"avslutad {on}", f"closed {on}")
    if since.level == 0:
        return Words(f"rättad {on}: signalen gäller inte", f"corrected {on}: it does not hold")
    now = LEVELS[since.level]
    if since.kind is StepKind.RETRACTED:
        return Words(f"rättad {on} till {now.sv}", f"corrected {on} to {now.en}")
    return Words(f"höjd {on} till {now.sv}", f"raised {on} to {now.en}")
