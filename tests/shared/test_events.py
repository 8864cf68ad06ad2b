"""Messages: what is read is checked, also where what is made needs no check."""

from datetime import date

import pytest
from pydantic import ValidationError

from shared.events import CASE_MESSAGE, CaseStep, Clearing, Evidence, StepKind

EVIDENCE = Evidence("absence_share", "all", 20, 0.25, at_least=0.2, coverage=1, lessons=("a", "b"))
STEP = CaseStep(
    step_id="1",
    school="s",
    pupil="p",
    rule="high-absence",
    kind=StepKind.OPENED,
    level=2,
    as_of=date(2025, 9, 1),
    since=date(2025, 9, 1),
    title={"sv": "Hög frånvaro"},
    audience=("contact_teacher",),
    evidence=(EVIDENCE,),
    clearing=Clearing(10, (EVIDENCE,), {"sv": "Signalen avslutas."}),
    rulebook="1",
)


def test_a_step_is_read_as_it_was_written() -> None:
    assert CASE_MESSAGE.validate_json(STEP.model_dump_json()) == STEP


def test_a_figure_without_a_value_is_written_with_all_its_keys() -> None:
    written = STEP.model_copy(update={"evidence": (Evidence("unanswered"),)}).model_dump()

    assert list(written["evidence"][0]) == [
        *("indicator", "kind", "days", "value", "at_least", "at_most"),
        *("share", "level", "coverage", "lessons"),
    ]


@pytest.mark.parametrize("wrong", ['"days":"moon"', '"days":20,"weeks":4'])
def test_evidence_is_checked_when_it_is_read(wrong: str) -> None:
    text = STEP.model_dump_json().replace('"days":20', wrong, 1)

    with pytest.raises(ValidationError, match="evidence"):
        CASE_MESSAGE.validate_json(text)
