"""Steps in words for the terminal: what was found, why, since when. Swedish, as staff read it."""

from collections.abc import Iterable

from rich.table import Table

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


def table_of(steps: Iterable[CaseStep]) -> Table:
    """One row a step."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("dag", "skola/elev", "signal", "nivå", "", "sedan", "därför att"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "därför att")
    for step in steps:
        level = str(step.level)
        if step.remaining is not None:
            level += f" → {step.remaining}"
        table.add_row(
            step.as_of.isoformat(),
            f"{step.school}/{step.pupil}",
            step.title.get("sv", step.rule),
            level,
            KINDS[step.kind],
            step.since.isoformat(),
            why(step),
        )
    return table


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
