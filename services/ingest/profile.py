"""CSV rows into registrations, or into refusals that say why, one row at a time.

A school's export always holds some rows that can't be right. Each is refused by itself, with
its line and a reason fit for a log, and the rest goes on; only a wrong header stops a file,
since every column would then be guessed. What differs between exports is a `Profile`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from services.ingest.csv_rows import CsvRow, csv_rows, shown
from shared.events import WHOLLY_ABSENT, AttendanceEvent, Status


@dataclass(frozen=True, slots=True)
class Profile:
    """How one kind of export writes registrations: its header in order and its status words."""

    columns: tuple[str, ...]
    statuses: Mapping[str, Status]
    optional: tuple[str, ...] = ()
    """Columns that may follow the others: all of them, or none."""
    delimiter: str = ","


CANONICAL = Profile(
    columns=(
        "school",
        "pupil",
        "lesson",
        "starts_at",
        "minutes",
        "subject",
        "status",
        "absent_minutes",
        "recorded_at",
    ),
    statuses={status.value: status for status in Status},
    optional=("group",),
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A row that is a registration; `line` is its first line in the file, the header's being 1."""

    line: int
    event: AttendanceEvent


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that can't be one. `reason` names no pupil; `raw`, for the quarantine alone, does."""

    line: int
    raw: str
    reason: str
    header: tuple[str, ...] = ()
    """The columns that its file has: the raw row is read anew under them."""


Row = Accepted | Refused


def read_rows(lines: Iterable[str], profile: Profile = CANONICAL) -> Iterator[Row]:
    """Each row below the header, in order and as it is asked for; blank lines are skipped.

    `lines` keep their line ends, as those of `open_rows` do. Raises `HeaderError` at the first.
    """
    for row in csv_rows(lines, profile.columns, profile.optional, profile.delimiter):
        yield _row(row, profile)


def _row(row: CsvRow, profile: Profile) -> Row:
    reason = row.fault
    if not reason:
        try:
            return Accepted(row.line, _event(row.cells, profile))
        except ValidationError as error:
            reason = _contract_reason(error)
        except ValueError as error:
            reason = str(error)
    return Refused(row.line, row.raw, reason, row.header)


_EVENT = TypeAdapter(AttendanceEvent)


def _event(cells: list[str], profile: Profile) -> AttendanceEvent:
    row: dict[str, object] = dict(zip(profile.columns + profile.optional, cells, strict=True))
    status = _status(str(row["status"]), profile)
    minutes = _whole("minutes", str(row["minutes"]))
    absent = str(row["absent_minutes"])
    row["starts_at"] = _time("starts_at", str(row["starts_at"]))
    row["minutes"] = minutes
    row["status"] = status
    row["recorded_at"] = _time("recorded_at", str(row["recorded_at"]))
    if absent:
        row["absent_minutes"] = _whole("absent_minutes", absent)
    else:
        row["absent_minutes"] = minutes if status in WHOLLY_ABSENT else 0
    return _EVENT.validate_python(row)


# A reason shows a value only where it can't be a name or an identity: cells slip sideways.

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_LOCAL = rf"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.,][0-9]{{1,9}})?)?"
_TIME = re.compile(rf"{_LOCAL}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)")
_TIME_WITHOUT_OFFSET = re.compile(_LOCAL)
_TIME_LIKE = re.compile(rf"{_DATE}([T ][0-9:.,+-]{{0,30}}Z?)?")
_NUMBER_LIKE = re.compile(r"[0-9.,+-]{1,4}")
_WORD_LIKE = re.compile(r"[a-zåäö_-]{1,20}")


@lru_cache(maxsize=1 << 14)
def _time(column: str, text: str) -> datetime:
    """Parsed once for the many pupils of a lesson; years outside 1900-2199 are mistakes."""
    wanted = "wanted a time with its offset such as 2025-09-01T08:10:00+02:00"
    if _TIME_WITHOUT_OFFSET.fullmatch(text):
        raise ValueError(f"{column}: met {text!r} without an offset; {wanted}")
    try:
        at = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        at = None
    if at is None or not 1900 <= at.year < 2200:
        raise ValueError(f"{column}: met {shown(text, _TIME_LIKE)}; {wanted}")
    return at


def _whole(column: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        wanted = "1 to 1440" if column == "minutes" else "0 to the lesson's minutes, or nothing"
        raise ValueError(
            f"{column}: met {shown(text, _NUMBER_LIKE)}; wanted a whole number, {wanted}"
        )
    return int(text)


def _status(text: str, profile: Profile) -> Status:
    status = profile.statuses.get(text)
    if status is None:
        near = text.strip().lower()
        met = repr(text) if near in profile.statuses else shown(text, _WORD_LIKE)
        raise ValueError(f"status: met {met}; wanted one of {', '.join(profile.statuses)}")
    return status


def _contract_reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    column = str(first["loc"][0]) if first["loc"] else "absent_minutes"
    limits = first.get("ctx", {})
    match first["type"]:
        case "string_too_short":
            return f"{column}: met nothing; wanted an identifier"
        case "string_pattern_mismatch":
            return f"{column}: met a space or a slash; wanted an identifier without"
        case "string_too_long":
            return f"{column}: met too much text; wanted at most {limits['max_length']} characters"
        case "greater_than_equal" | "less_than_equal":
            return f"{column}: met {first['input']}; wanted a whole number, 1 to 1440"
        case _:
            return f"{column}: {first['msg'].removeprefix('Value error, ')}"
