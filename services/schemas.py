"""JSON Schemas of the files that people edit, so that an editor completes, explains and warns.

`python -m services.schemas` writes them beside the files (`make schemas`). They are made of the
models that check the files; what a schema can't say, `narvara check` still does.
"""

import json
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from services.notify.routing import Routing
from shared.calendar import SchoolCalendar
from shared.rulebook import Rulebook

MODELS: dict[str, type[BaseModel]] = {
    "calendar": SchoolCalendar,
    "rulebook": Rulebook,
    "routing": Routing,
}

FOLDER = Path("deploy/config/schema")

Schema = dict[str, Any]

_LEVELS = {"1": "Watch", "2": "Concern", "3": "Serious", "4": "Critical"}

_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"

_HOVER: dict[str, dict[str, str]] = {
    "Condition": {
        "indicator": "The figure that is measured.",
        "kind": "Which of the indicator's kinds; left out: its first.",
        "share": "Of persistent_blocks: the share of absence that each block must reach.",
        "level": "Of findings: the least level that counts; left out: 1.",
        "rules": "Of findings: the rules whose findings count; left out: all.",
        "at_least": "Holds from this value on. A share is written 0.10, not 10.",
        "at_most": "Holds up to this value.",
        "all": "Each of these must hold.",
        "any": "One of these must hold.",
    },
    "Needs": {"coverage": "Share of the window's lessons that must be registered."},
    "Wording": {"sv": "In Swedish.", "en": "In English."},
    "Example": {"says": "What the example shows."},
    "Rule": {
        "id": "Names the rule in findings, routes and answers; lower case with hyphens.",
        "title": "What staff read.",
        "enabled": "False: not judged, and its open findings end.",
        "evaluate": "daily: at each day close; on_event: also when a registration comes in.",
        "needs": "How much must be known before the rule may speak.",
        "levels": "When the rule holds at which level. The highest that holds counts.",
        "audience": "Who is told at which level; left out: the usual ones.",
        "examples": "Strips of days and the level they lead to; run by `narvara check`.",
    },
    "Handover": {
        "pattern": "Its number in docs/patterns.md.",
        "title": "What staff read.",
        "why": "Why it matters.",
        "runbook": "What a contact teacher can do.",
        "source": "Where its numbers come from.",
        "examples": "Strips of days and the highest level they lead to.",
    },
    "SchoolChange": {
        "rules": "Rules by id with what is otherwise here; a new id adds a rule.",
    },
    "Rulebook": {
        "clear_factor": "Thresholds are eased by it before a day counts as quiet.",
        "handover": "Lower thresholds for some new pupils; left out: off.",
        "rules": "Every rule, in the order in which they are judged.",
    },
    "SchoolCalendar": {
        "timezone": "In which lessons have their date, such as Europe/Stockholm.",
        "school_years": "School years in order.",
        "bus_delays": "Mornings on which late buses excuse who came late.",
    },
    "SchoolYear": {
        "terms": "Terms in order.",
        "days_off": "Breaks and study days within the terms.",
    },
    "Span": {"first": "First date of it.", "last": "Last date of it."},
    "DaysOff": {
        "first": "First date of it.",
        "last": "Last date of it.",
        "why": "For people who read the file.",
    },
    "BusDelay": {"date": "On which the buses were late.", "why": "For people who read the file."},
    "Routing": {
        "default_slot": "When digests go out, such as `thu 15:00`.",
        "start_list": "What is open when a school goes live: told in a digest, or held.",
        "quiet_hours": "When nothing is sent; what would be is told afterwards, if it stands.",
        "silences": "Telling that waits until a day, and why.",
        "routes": "The first that matches decides.",
    },
    "QuietHours": {
        "from": "Local time at which they begin, such as 18:00.",
        "to": "Local time at which they end; earlier than `from`: on the next day.",
    },
    "Rotation": {"staff": "Staff ids; a week each, in this order."},
    "Silence": {
        "levels": "Levels that wait; left out: all.",
        "audience": "Audiences for whom it waits; left out: all.",
        "schools": "Schools in which it waits; left out: all.",
        "rules": "Ids of the rules whose findings wait; left out: all.",
        "reason": "For people who read the file.",
    },
    "Route": {
        "levels": "Levels it is for; left out: all.",
        "audience": "Audiences it is for; left out: all.",
        "schools": "Schools it is for; left out: all.",
        "rules": "Ids of the rules it is for; left out: all.",
        "send": "shown: no message; digest: at the set-aside time; immediate: at once.",
        "channels": "Tried in order.",
    },
}
"""What an editor shows of a key whose model says no more than its name."""

_CHANGES = {"RuleChange": "Rule", "SchoolChange": "Rulebook"}
"""Models whose keys mean what the other's do."""


class _ForEditors(GenerateJsonSchema):
    """pydantic's schema, less the titles that only repeat a key."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's
        return False


def schema_of(name: str) -> Schema:
    """The JSON Schema of one of `MODELS`, as an editor wants it."""
    model = MODELS[name]
    schema = model.model_json_schema(schema_generator=_ForEditors)
    parts = {part["title"]: part for part in (schema, *schema.get("$defs", {}).values())}
    for part in parts.values():
        _say_more(part)
    for changing, changed in _CHANGES.items():
        if changing in parts:
            _explain_alike(parts[changing]["properties"], parts[changed]["properties"])
            for said in parts[changing]["properties"].values():
                _never_null(said)
    schema["title"] = f"{name}.yaml"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def written(schema: Schema) -> str:
    """The text of a schema file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _say_more(model: Schema) -> None:
    """Add, in place, what pydantic leaves unsaid of a model's keys."""
    title = model["title"]
    for key, said in model["properties"].items():
        if "default" in said and said["default"] is None:
            del said["default"]
        if "description" not in said and key in _HOVER.get(title, {}):
            said["description"] = _HOVER[title][key]
        if "patternProperties" in said:
            said["additionalProperties"] = False
        if said.get("format") == "time":
            # "17:00", where the format wants seconds and an offset.
            del said["format"]
            said["pattern"] = _CLOCK
        if "additionalProperties" in said and _is_by_level(title, key):
            each = said.pop("additionalProperties")
            said["properties"] = {
                level: {**each, "description": word} for level, word in _LEVELS.items()
            }
            said["additionalProperties"] = False
    if title == "Condition":
        model["oneOf"] = [{"required": [form]} for form in ("indicator", "all", "any")]


def _explain_alike(changing: Schema, changed: Schema) -> None:
    for key, said in changing.items():
        if "description" in changed[key]:
            said.setdefault("description", changed[key]["description"])


def _never_null(said: Schema) -> None:
    """A change that is left out is none; written as null it is refused."""
    if options := [each for each in said.pop("anyOf", ()) if each != {"type": "null"}]:
        said.update(options[0] if len(options) == 1 else {"anyOf": options})


def _is_by_level(model: str, key: str) -> bool:
    """Is this a mapping from levels? YAML reads its keys as numbers, JSON knows only text."""
    return model in {"Rule", "RuleChange"} and key in {"levels", "audience"}


@click.command()
@click.argument("folder", default=FOLDER, type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Write the schemas into FOLDER."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        (folder / f"{name}.schema.json").write_text(written(schema_of(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
