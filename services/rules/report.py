"""Steps in words for the terminal: what was found, why, since when. Swedish, as staff read it."""

from collections.abc import Iterable

import click
from rich.console import Console
from rich.text import Text

from shared.events import CaseStep, StepKind

KINDS = {
    StepKind.OPENED: "ny",
    StepKind.RAISED: "höjd",
    StepKind.RETRACTED: "rättad",
    StepKind.CLEARED: "avslutad",
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
    marks = [
        *(["på prov"] if step.shadow else []),
        *(["goda nyheter"] if step.good_news else []),
        *([f"vilar till {step.held_until}"] if step.held_until else []),
    ]
    return Text.assemble(
        (f"{KINDS[step.kind]:>9}", STYLES[step.kind]),
        f"  {step.as_of} {step.school}/{step.pupil or step.unit}  {title}, {level}  ",
        (f"{step.words.get('sv', '')} · {' · '.join([audience, *marks])}", "dim"),
    )


def show_steps(told: Iterable[CaseStep], form: str) -> None:
    """Print steps in words, or as one JSON object a line."""
    console = Console(highlight=False)
    for step in told:
        if form == "jsonl":
            click.echo(step.model_dump_json())
        else:
            console.print(line_of(step), soft_wrap=True)
