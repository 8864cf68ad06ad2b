"""Levels, answers, fates, dates and whom it is about, as staff read it: in Swedish and English."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import NamedTuple

from services.notify.rows import Fate, Signal
from services.notify.sessions import How
from shared.events import AnswerKind, Status, StepKind
from shared.rulebook import Audience


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

ANSWERS: Mapping[AnswerKind, Words] = {
    "talked": Words("Jag har pratat med eleven", "I have talked with the pupil"),
    "known_cause": Words("Känd orsak till ett datum", "Known cause until a date"),
    "booked": Words("Kontakt bokad", "Contact booked"),
    "lift": Words("Lyft till elevhälsan", "Lift to the pupil-health team"),
    "not_relevant": Words("Inte aktuellt", "Not relevant"),
    "wrongly_registered": Words("Fel registrerat", "Wrongly registered"),
    "takes_over": Words("Elevhälsan tar över", "The pupil-health team takes over"),
}
"""What staff may answer, in the order of the buttons."""

STATUSES: Mapping[Status, Words] = {
    Status.PRESENT: Words("närvarande", "present"),
    Status.LATE: Words("sen ankomst", "late"),
    Status.EXCUSED: Words("giltig frånvaro", "excused absence"),
    Status.LEAVE: Words("beviljad ledighet", "granted leave"),
    Status.UNEXCUSED: Words("ogiltig frånvaro", "unexcused absence"),
    Status.OTHER: Words("annan aktivitet", "other activity"),
    Status.UNREPORTED: Words("inte registrerat", "not registered"),
}

ROLES: Mapping[Audience, Words] = {
    "contact_teacher": Words("kontaktlärare", "contact teacher"),
    "eht": Words("elevhälsan", "the pupil-health team"),
    "rektor": Words("rektor", "the head teacher"),
    "admin": Words("skoladministration", "the school office"),
    "coordinator": Words("samordnare", "coordinator"),
}

WHATS: Mapping[str, Words] = {
    "signal": Words("signal", "signal"),
    "own_pupils": Words("mina elever", "my pupils"),
    "pupil": Words("elev", "pupil"),
    "brief": Words("arbetslagsmöte", "work-team meeting"),
    "notes_for_eht": Words("anteckningar", "notes"),
    "sheet": Words("underlag 19 a §", "19 a sheet"),
    "investigation": Words("utredning", "investigation"),
    "registrations": Words("registreringar", "registrations"),
    "coordination": Words("översikt", "overview"),
    "access_log": Words("åtkomstlogg", "access log"),
}
"""What was opened, as the access log says it."""

RESULTS: Mapping[str, Words] = {
    "shown": Words("visad", "shown"),
    "refused": Words("nekad", "refused"),
    "done": Words("sparad", "saved"),
}

WAYS: Mapping[How, Words] = {
    "link": Words("länk", "link"),
    "code": Words("engångskod", "one-time code"),
    "oidc": Words("skolans konto", "the school’s account"),
}
"""How whoever looked had come in."""

_DAYS = (
    Words("mån", "Mon"), Words("tis", "Tue"), Words("ons", "Wed"), Words("tors", "Thu"),
    Words("fre", "Fri"), Words("lör", "Sat"), Words("sön", "Sun"),
)  # fmt: skip

_MONTHS = (
    Words("jan", "Jan"), Words("feb", "Feb"), Words("mars", "Mar"), Words("april", "Apr"),
    Words("maj", "May"), Words("juni", "June"), Words("juli", "July"), Words("aug", "Aug"),
    Words("sep", "Sep"), Words("okt", "Oct"), Words("nov", "Nov"), Words("dec", "Dec"),
)  # fmt: skip


def day_of(day: date) -> Words:
    """A date in words: `ons 10 sep 2025`."""
    week, month = _DAYS[day.weekday()], _MONTHS[day.month - 1]
    return Words(
        f"{week.sv} {day.day} {month.sv} {day.year}", f"{week.en} {day.day} {month.en} {day.year}"
    )


def moment_of(moment: datetime) -> Words:
    """A moment in words, by its own zone: `ons 10 sep 2025 kl. 15.00`."""
    day = day_of(moment.date())
    return Words(f"{day.sv} kl. {moment:%H.%M}", f"{day.en} at {moment:%H:%M}")


def initials(name: str) -> str:
    """Of a name, first and last: `Nour El Amin` is `N.A.`; empty: no name is known."""
    parts = [part for part in name.replace("-", " ").split() if part[0].isalpha()]
    return "".join(f"{part[0].upper()}." for part in dict.fromkeys((*parts[:1], *parts[-1:])))


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
