"""Steps in words for the terminal: what was found, why, since when. Swedish, as staff read it."""

from rich.text import Text

from shared.events import CaseStep, Evidence, StepKind

KINDS = {
    StepKind.OPENED: "ny",
    StepKind.RAISED: "höjd",
    StepKind.RETRACTED: "rättad",
    StepKind.CLEARED: "avslutad",
}

_INDICATORS = {
    "absence_share": "frånvaro",
    "unexcused_lessons": "ogiltiga lektioner",
    "unexcused_days": "dagar med ogiltig frånvaro",
    "absent_run": "hela frånvarodagar i rad",
    "lates": "sena ankomster",
}


STYLES = {
    StepKind.OPENED: "bold yellow",
    StepKind.RAISED: "bold red",
    StepKind.RETRACTED: "cyan",
    StepKind.CLEARED: "green",
}

AUDIENCES = {
    "contact_teacher": "kontaktlärare",
    "eht": "EHT",
    "rektor": "rektor",
    "admin": "administration",
    "coordinator": "samordnare",
}


def line_of(step: CaseStep) -> Text:
    """One line: how the case changed, when, whose, why, and whom it concerns."""
    level = f"nivå {step.level}"
    if step.remaining is not None:
        level += f" → {step.remaining}"
    title = step.title.get("sv", step.rule)
    audience = ", ".join(AUDIENCES[each] for each in step.audience)
    return Text.assemble(
        (f"{KINDS[step.kind]:>9}", STYLES[step.kind]),
        f"  {step.as_of} {step.school}/{step.pupil}  {title}, {level}  ",
        (f"{why(step)} · {audience}", "dim"),
    )


def why(step: CaseStep) -> str:
    """The deciding figures beside thresholds: `frånvaro 21,3 % på 20 skoldagar (≥ 20 %)`."""
    return "; ".join(_figure(each) for each in step.evidence)


def _figure(evidence: Evidence) -> str:
    name = _INDICATORS.get(evidence.indicator, evidence.indicator)
    share = evidence.indicator.endswith("_share")
    threshold = evidence.at_least if evidence.at_least is not None else evidence.at_most
    sign = "≥" if evidence.at_least is not None else "≤"
    span = f" på {evidence.days} skoldagar" if evidence.days else ""
    return f"{name} {_number(evidence.value, share)}{span} ({sign} {_number(threshold, share)})"


def _number(value: float | None, share: bool) -> str:
    if value is None:
        return "–"
    text = f"{value * 100:.1f}".removesuffix(".0") + " %" if share else f"{value:g}"
    return text.replace(".", ",")
