"""Files that people edit: YAML in, a checked value out, or problems with their lines.

A coordinator who mistypes a key at four in the afternoon needs the line, what was met and
what was wanted. PyYAML gives the nodes with their marks, pydantic the checks; this module
only joins a pydantic location to the line it came from.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError, to_json

CALENDAR = "calendar.yaml"
RULEBOOK = "rulebook.yaml"
ROUTING = "routing.yaml"

_MOST_VALUES = 100_000
"""In a file, once its aliases are written out."""

_MOST_SHOWN = 100
"""Characters of a value that is told as wrong."""

Location = tuple[int | str, ...]
Model = TypeVar("Model", bound=BaseModel)


class ConfigPart(BaseModel):
    """A part of a config file: frozen, and an unknown key is an error that names the known ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, data: object) -> object:
        if isinstance(data, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in data:
                if key not in known:
                    near = get_close_matches(str(key), known, 1)
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key {key}; wanted one of {known}{hint}",
                        {
                            "key": as_written(key),
                            "known": ", ".join(known),
                            "hint": f" (did you mean {near[0]}?)" if near else "",
                            "at": key,
                        },
                    )
        return data


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file, at a line counted from 1."""

    file: str
    line: int
    where: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        return f"{place}: {self.where}: {self.what}" if self.where else f"{place}: {self.what}"


class ConfigError(ValueError):
    """A config file that can't be used, with every problem found in it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Located(Generic[Model]):
    """A checked config file: its value, and the lines from which its parts came."""

    value: Model
    lines: Mapping[Location, int]

    def line(self, at: Location) -> int:
        """The line of a part, counted from 1; of the nearest part around it that has one."""
        return self.lines[_known(at, self.lines)]


def read_config(path: Path, model: type[Model]) -> Model:
    """Read and check one YAML file; raise `ConfigError` with file, line, met and wanted."""
    return read_located(path, model).value


def read_located(path: Path, model: type[Model]) -> Located[Model]:
    """As `read_config`, with the lines."""
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([Problem(name, 1, "", "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(name, 1, "", f"cannot be read as UTF-8: {error}")]) from error
    return _parse(text, model, name)


def parse_config(text: str, model: type[Model], name: str) -> Model:
    """Check YAML `text` as `model`; `name` is the file that problems are told of."""
    return _parse(text, model, name).value


def _parse(text: str, model: type[Model], name: str) -> Located[Model]:
    lines: dict[Location, int] = {}
    problems: list[Problem] = []
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise ConfigError([Problem(name, 1, "", "is empty")])
        data = _plain(node, (), lines, problems, name)
    except yaml.YAMLError as error:
        raise ConfigError([_no_yaml(name, text, error)]) from error
    except RecursionError:
        why = "is nested too deeply; does an alias (*) stand inside what it names (&)?"
        raise ConfigError([Problem(name, 1, "", why)]) from None
    if problems:
        raise ConfigError(problems)
    try:
        return Located(model.model_validate(data), lines)
    except ValidationError as error:
        raise ConfigError(list(_told(name, lines, error.errors()))) from None


def plain(content: BaseModel) -> dict[str, Any]:
    """A config's content as plain values, as it travels in the streams; defaults left out."""
    return content.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def version_of(content: BaseModel) -> str:
    """Names a config's content: 12 hexadecimal digits of the digest of its canonical JSON."""
    canonical = to_json(plain(content))
    return sha256(canonical).hexdigest()[:12]


def _no_yaml(name: str, text: str, error: yaml.YAMLError) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        return Problem(name, mark.line + 1 if mark else 1, "", f"is no YAML: {error.problem}")
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(name, line, "", "is no YAML: met a character that no text file has")
    return Problem(name, 1, "", f"is no YAML: {error}")


def _plain(
    node: yaml.Node,
    at: Location,
    lines: dict[Location, int],
    problems: list[Problem],
    name: str,
) -> Any:
    """The node's plain value; fills `lines`. Numbers with a point become exact decimals."""
    lines.setdefault(at, node.start_mark.line + 1)
    if len(lines) > _MOST_VALUES:
        why = f"holds more than {_MOST_VALUES} values; aliases (*) of aliases multiply"
        raise ConfigError([Problem(name, node.start_mark.line + 1, "", why)])
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        met: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                line = key_node.start_mark.line + 1
                problems.append(Problem(name, line, _words(at), "wanted a word as a key"))
                continue
            key = _key(key_node)
            here, line = (*at, key), key_node.start_mark.line + 1
            first = met.get(str(key))  # 1 and "1" are the same level
            if first:
                problems.append(
                    Problem(name, line, _words(at), f"{key!r} stands twice, first in line {first}")
                )
            met[str(key)] = line
            lines[here] = line
            result[key] = _plain(value_node, here, lines, problems, name)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*at, n), lines, problems, name) for n, item in enumerate(node.value)]
    return _scalar(node)


def _key(node: yaml.ScalarNode) -> Any:
    """A key, which is never true, false or null: YAML 1.1 takes `on`, `no` and `~` for these."""
    is_word = node.tag in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")
    return node.value if is_word else _scalar(node)


def _scalar(node: yaml.Node) -> Any:
    if node.tag == "tag:yaml.org,2002:float":
        try:
            return Decimal(node.value.replace("_", ""))
        except ArithmeticError:
            return node.value
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    # A date that does not exist, or a tag beside what it can't be of: the check will tell of it,
    # with its line. What PyYAML raises depends on the tag.
    except (ValueError, LookupError, AttributeError):
        return node.value
    finally:
        loader.dispose()


def _told(
    name: str, lines: Mapping[Location, int], errors: Sequence[ErrorDetails]
) -> Iterator[Problem]:
    """One problem for each place: what may be of several kinds is refused as each of them."""
    said = [each for each in errors if not _follows(each, errors)]
    for place, group in groupby(said, lambda error: _place(error, lines)):
        refused = list(group)
        # Where the kind was right, the value was not: that alone is what was meant.
        of_its_kind = [error for error in refused if not _wanted(error)]
        yield Problem(
            name, lines[_known(place, lines)], _words(place), _what(of_its_kind or refused)
        )


def _follows(error: ErrorDetails, errors: Iterable[ErrorDetails]) -> bool:
    """Is a list too short only because something in it was refused?"""
    at = error["loc"]
    return error["type"] == "too_short" and any(
        len(each["loc"]) > len(at) and each["loc"][: len(at)] == at for each in errors
    )


def _place(error: ErrorDetails, lines: Mapping[Location, int]) -> Location:
    """Where it is in the file: pydantic names the kinds of a value and validators as well."""
    at = error.get("ctx", {}).get("at", ())
    location = (*error["loc"], *(at if isinstance(at, tuple) else (at,)))
    if error["type"] == "missing":
        return (*_known(location[:-1], lines), location[-1])
    return _known(location, lines)


def first_problem(error: ValidationError) -> tuple[tuple[int | str, ...], str]:
    """Where within a value its first problem is, and what was met and wanted there."""
    first = error.errors()[0]
    return first["loc"], _what([first])


def _what(errors: Sequence[ErrorDetails]) -> str:
    """What was met at one place, and what was wanted there."""
    first = errors[0]
    if first["type"] == "missing":
        return "is missing and must be given"
    if first["type"] == "value_error" or "at" in first.get("ctx", {}):
        return wanted(errors)
    return f"met {as_written(first['input'])}; {wanted(errors)}"


def as_written(value: object) -> str:
    """What was met, about as it stands in the file; no more than fits on a line."""
    shown = _written(value)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"


def _written(value: object) -> str:
    match value:
        case Mapping():
            items = (f"{_written(key)}: {_written(each)}" for key, each in value.items())
            return f"{{{', '.join(items)}}}"
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case Decimal() | date() | None:
            return "nothing" if value is None else str(value)
        case _:
            return repr(value)


def wanted(errors: Sequence[ErrorDetails]) -> str:
    """What was wanted at one place, without what was met there, unless a validator of ours says."""
    first = errors[0]
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" or "at" in first.get("ctx", {}):
        return said
    if first["type"] == "string_pattern_mismatch" and (good := _example(first["ctx"]["pattern"])):
        return f"wanted text such as {good}"
    if first["type"] in _TOO_SHORT:
        return f"wanted at least {first['ctx']['min_length']} {_TOO_SHORT[first['type']]}"
    *others, last = [each for error in errors for each in _wanted(error)] or [""]
    if last:
        return f"wanted {', '.join(others)} or {last}" if others else f"wanted {last}"
    said = said.replace("Input should be", "wanted")
    return f"{said[0].lower()}{said[1:]}"


def _example(pattern: str) -> str:
    """Text of a pattern's form, for those who read no patterns; empty: none is known."""
    known = ("skola-1", "17:00", "thu 15:00", "eht@skola.example", "+46701740605")
    return next((text for text in known if re.fullmatch(pattern, text)), "")


def _wanted(error: ErrorDetails) -> list[str]:
    """The kinds of value, or the words, that were wanted; empty when its kind was right."""
    if error["type"] == "literal_error":
        expected = str(error["ctx"]["expected"])
        return expected.replace("'", "").replace(" or ", ", ").split(", ")
    return [_KINDS[error["type"]]] if error["type"] in _KINDS else []


_TOO_SHORT = {"too_short": "in it", "string_too_short": "character"}

_KINDS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "float_parsing": "a number",
}


def _known(location: Location, lines: Mapping[Location, int]) -> Location:
    """The longest beginning of `location`, less what pydantic put in, that has a line."""
    at: Location = ()
    for part in location:
        candidates = ((*at, part), (*at, _number(part)), (*at, str(part)))
        at = next((candidate for candidate in candidates if candidate in lines), at)
    return at


def _number(part: int | str) -> int | str:
    return int(part) if isinstance(part, str) and part.isdigit() else part


def _words(location: Location) -> str:
    return ".".join(str(part) for part in location if part != "[key]")
