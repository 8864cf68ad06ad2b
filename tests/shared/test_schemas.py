"""An editor says of the files what the models say: schemas are generated, and kept equal."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from services.schemas import MODELS, schema_of, written

DEPLOYED = Path(__file__).parents[2] / "deploy" / "config"

Json = dict[str, Any]


def as_json(text: str) -> Any:
    """YAML as editors see it: keys are text, dates too."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def errors(name: str, text: str) -> list[str]:
    validator = Draft202012Validator(schema_of(name))
    return [error.json_path for error in validator.iter_errors(as_json(text))]


@pytest.mark.parametrize("name", MODELS)
def test_the_schema_beside_the_files_is_what_the_models_say(name: str) -> None:
    file = DEPLOYED / "schema" / f"{name}.schema.json"

    assert file.read_text("utf-8") == written(schema_of(name)), "run make schemas"


@pytest.mark.parametrize("name", MODELS)
def test_the_deployed_file_names_its_schema_and_keeps_it(name: str) -> None:
    text = (DEPLOYED / f"{name}.yaml").read_text("utf-8")

    assert text.startswith(f"# yaml-language-server: $schema=schema/{name}.schema.json\n")
    assert errors(name, text) == []


@pytest.mark.parametrize("name", MODELS)
def test_a_schema_is_valid_and_says_something_of_every_key(name: str) -> None:
    Draft202012Validator.check_schema(schema_of(name))

    silent = [key for key, said in keys(schema_of(name)) if not said.get("description")]

    assert silent == []


def keys(schema: Json) -> Iterator[tuple[str, Json]]:
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from part["properties"].items()


RULEBOOK = """\
clear_factor: 0.8
rules:
  - id: high-absence
    title: {sv: Hög frånvaro, en: High absence}
    levels:
      1: {indicator: absence_share, days: term, at_least: "0.10"}
      2: {all: [{indicator: lates, days: 5, at_least: 2}]}
schools:
  skola-1: {rules: [{id: high-absence, levels: {2: null}}]}
"""


def test_levels_are_keys_and_decimals_are_numbers_or_text() -> None:
    assert errors("rulebook", RULEBOOK) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("      2:", "      5:"),
        ("lates", "late_arrivals"),
        ("days: 5", "days: 500"),
        ("days: term", "days: month"),
        ("at_least: 2}", "atleast: 2}"),
        ("{indicator: lates, ", "{any: [], indicator: lates, "),
        ("clear_factor: 0.8", "clear_factor: 8"),
        ("{sv: Hög frånvaro, en: High absence}", "Hög frånvaro"),
        ("{2: null}", "{7: null}"),
        ("id: high-absence\n", "id: High absence\n"),
        ("skola-1: {", "skola 1: {"),
        ("skola-1: {", "skola-1: {cool_down: null, "),
        ("levels: {2: null}", "needs: null"),
    ],
)
def test_an_editor_marks_what_the_check_refuses(right: str, wrong: str) -> None:
    assert RULEBOOK.count(right) == 1
    assert errors("rulebook", RULEBOOK.replace(right, wrong)) != []


@pytest.mark.parametrize(("at", "fits"), [("17:00", True), ("7.30", False), ("25:00", False)])
def test_a_time_is_written_as_on_a_clock(at: str, fits: bool) -> None:
    text = (DEPLOYED / "calendar.yaml").read_text("utf-8").replace('"17:00"', f'"{at}"')

    assert (errors("calendar", text) == []) is fits
