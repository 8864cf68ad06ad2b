"""Levels, figures and fates in the words that staff read, in Swedish and in English."""

from collections.abc import Mapping
from typing import NamedTuple

from services.notify.desk import Fate
from shared.events import Evidence, Figure, StepKind
from shared.rulebook import INDICATORS


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

_INDICATORS: Mapping[tuple[str, str], Words] = {
    ("absence_share", ""): Words("Frånvaro av lektionstiden", "Absence, share of lesson time"),
    ("absence_share", "all"): Words("Frånvaro av lektionstiden", "Absence, share of lesson time"),
    ("absence_share", "excused"): Words(
        "Giltig frånvaro av lektionstiden", "Excused absence, share of lesson time"
    ),
    ("absence_share", "unexcused"): Words(
        "Ogiltig frånvaro av lektionstiden", "Unexcused absence, share of lesson time"
    ),
    ("unexcused_lessons", ""): Words(
        "Lektioner med ogiltig frånvaro", "Lessons with unexcused absence"
    ),
    ("unexcused_days", ""): Words("Dagar med ogiltig frånvaro", "Days with unexcused absence"),
    ("absent_run", ""): Words("Frånvarodagar i följd", "Days absent in a row"),
    ("lates", ""): Words("Sena ankomster", "Late arrivals"),
}


def figure(evidence: Evidence) -> Words:
    """One measured value with its window and threshold."""
    name = _INDICATORS.get((evidence.indicator, evidence.kind or ""))
    name = name or Words(evidence.indicator, evidence.indicator)
    value = _number(evidence.indicator, evidence.value)
    window, limit = _window(evidence.days), _limit(evidence)
    return Words(
        f"{name.sv}: {value.sv}{window.sv}{limit.sv}", f"{name.en}: {value.en}{window.en}{limit.en}"
    )


def fate(since: Fate | None, level: int) -> Words | None:
    """What has become of a signal shown at `level`; None: it stands as shown."""
    if since is None or since.level == level:
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


def _number(indicator: str, value: Figure | None) -> Words:
    if value is None:
        return Words("inget att mäta", "nothing to measure")
    known = INDICATORS.get(indicator)
    if known is not None and known.rate:
        per_cent = f"{100 * value:.1f}"
        return Words(f"{per_cent.replace('.', ',')} %", f"{per_cent} %")
    plain = f"{value:g}"
    return Words(plain.replace(".", ","), plain)


def _window(days: int | None) -> Words:
    if days is None:
        return Words("", "")
    return Words(f", de senaste {days} skoldagarna", f", the last {days} school days")


def _limit(evidence: Evidence) -> Words:
    if evidence.at_least is not None:
        limit, words = evidence.at_least, Words("minst", "at least")
    elif evidence.at_most is not None:
        limit, words = evidence.at_most, Words("högst", "at most")
    else:
        return Words("", "")
    number = _number(evidence.indicator, limit)
    return Words(f" (gräns: {words.sv} {number.sv})", f" (threshold: {words.en} {number.en})")
