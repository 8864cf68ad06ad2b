"""CSV rows into registrations, or into refusals that say why, one row at a time.

A school's export always holds some rows that can't be right. Each is refused by itself, with
its line and a reason fit for a log, and the rest goes on; only a wrong header stops a file,
since every column would then be guessed. What differs between exports is a `Profile`.

Names, times and subjects come again by the thousand, and are looked at once each. A row whose
cells are good one by one is a registration at first sight; any other is left to the contract,
`shared.events.AttendanceEvent`, which says what is wrong.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import msgspec
from pydantic import TypeAdapter, ValidationError

from services.ingest.csv_rows import CsvRow, csv_rows, shown
from shared.events import WHOLLY_ABSENT, AttendanceEvent, Name, Status


@dataclass(frozen=True, slots=True)
class Profile:
    """How one kind of export writes registrations: its header in order and its status words.

    Its columns, with the optional ones, are those of the contract, in any order.
    """

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


# It holds nothing that could hold it again: the collector need not look at a million of them.
class RowEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An `AttendanceEvent` as its row has it, with its instants as they are written.

    It takes a fraction of the memory and of the time that the contract's own value takes.
    """

    school: str
    pupil: str
    lesson: str
    starts_at: str
    minutes: int
    subject: str
    status: Status
    absent_minutes: int
    recorded_at: str
    group: str
    known_at: int
    """`recorded_at` as microseconds since 1970, UTC."""

    def by_contract(self) -> AttendanceEvent:
        """The same as other services are told it."""
        return _EVENT.validate_python(
            {
                "school": self.school,
                "pupil": self.pupil,
                "lesson": self.lesson,
                "starts_at": _instant(self.starts_at).at,
                "minutes": self.minutes,
                "subject": self.subject,
                "status": self.status,
                "absent_minutes": self.absent_minutes,
                "recorded_at": _instant(self.recorded_at).at,
                "group": self.group,
            }
        )


class Accepted(msgspec.Struct, frozen=True):
    """A row that is a registration; `line` is its first line in the file, the header's being 1."""

    line: int
    registration: RowEvent

    @property
    def event(self) -> AttendanceEvent:
        return self.registration.by_contract()


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that can't be one. `reason` names no pupil; `raw`, for the quarantine alone, does."""

    line: int
    raw: str
    reason: str
    header: tuple[str, ...] = ()
    """The columns that its file has: the raw row is read anew under them."""


Row = Accepted | Refused


def read_rows(
    lines: Iterable[str], profile: Profile = CANONICAL, newest: datetime | None = None
) -> Iterator[Row]:
    """Each row below the header, in order and as it is asked for; blank lines are skipped.

    `newest`: what was recorded later is refused. It would close days that have not been yet, and
    win over every correction until then. `lines` keep their line ends, as those of `open_rows`
    do. Raises `HeaderError` at the first.
    """
    latest = None if newest is None else round(newest.timestamp() * _SECOND)
    columns = profile.columns + profile.optional
    cells_of = itemgetter(*map(columns.index, AttendanceEvent.model_fields))
    for row in csv_rows(lines, profile.columns, profile.optional, profile.delimiter):
        event = None if row.fault else _at_first_sight(cells_of(row.cells), profile.statuses)
        read = _at_second_sight(row, profile) if event is None else Accepted(row.line, event)
        if (
            latest is not None
            and isinstance(read, Accepted)
            and read.registration.known_at > latest
        ):
            met = read.registration.recorded_at
            wanted = f"wanted when it was recorded, {newest:%Y-%m-%d} at the latest"
            reason = f"recorded_at: met {met!r}; {wanted}"
            read = Refused(row.line, row.raw, reason, row.header)
        yield read


def _at_first_sight(cells: Sequence[str], statuses: Mapping[str, Status]) -> RowEvent | None:
    """The registration that cells in the contract's order are, each good by itself; else None."""
    school, pupil, lesson, starts_at, minutes, subject, status, absent, recorded_at, group = cells
    try:
        starts, recorded = _instant(starts_at), _instant(recorded_at)
        said, offered = statuses[status], _MINUTES[minutes]
        missed = _MINUTES[absent] if absent else offered if said in WHOLLY_ABSENT else 0
        if not 0 < offered >= missed:
            return None
        return RowEvent(
            _name(school),
            _name(pupil),
            _name(lesson),
            starts.text,
            offered,
            _text(subject),
            said,
            missed,
            recorded.text,
            _text(group),
            recorded.microseconds,
        )
    except (KeyError, ValueError):
        return None


_SECOND = 1_000_000
"""In microseconds."""
_MINUTES = {str(minutes): minutes for minutes in range(1441)}
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_EVENT = TypeAdapter(AttendanceEvent)
_LONGEST_TEXT = 128


# What is remembered is also one object: a history holds 7A-MA once, not a million times.


@lru_cache(maxsize=1 << 16)
def _name(text: str) -> str:
    return _NAME.validate_python(text)


@lru_cache(maxsize=1 << 14)
def _text(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"more than {_LONGEST_TEXT} characters")
    return text


def _at_second_sight(row: CsvRow, profile: Profile) -> Row:
    reason = row.fault
    if not reason:
        try:
            return Accepted(row.line, _checked(row.cells, profile))
        except ValidationError as error:
            reason = _contract_reason(error)
        except ValueError as error:
            reason = str(error)
    return Refused(row.line, row.raw, reason, row.header)


def _checked(cells: list[str], profile: Profile) -> RowEvent:
    """The registration in a row by the contract; raises `ValueError` with what is wrong."""
    row: dict[str, object] = dict(zip(profile.columns + profile.optional, cells, strict=True))
    status = _status(str(row["status"]), profile)
    minutes = _whole("minutes", str(row["minutes"]))
    absent = str(row["absent_minutes"])
    starts = _time("starts_at", str(row["starts_at"]))
    recorded = _time("recorded_at", str(row["recorded_at"]))
    row["starts_at"] = starts.at
    row["minutes"] = minutes
    row["status"] = status
    row["recorded_at"] = recorded.at
    if absent:
        row["absent_minutes"] = _whole("absent_minutes", absent)
    else:
        row["absent_minutes"] = minutes if status in WHOLLY_ABSENT else 0
    event = _EVENT.validate_python(row).model_dump()
    event |= {"starts_at": starts.text, "recorded_at": recorded.text}
    return RowEvent(**event, known_at=recorded.microseconds)


# A reason shows a value only where it can't be a name or an identity: cells slip sideways.

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_LOCAL = rf"{_DATE}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.,][0-9]{{1,9}})?)?"
_TIME = re.compile(rf"{_LOCAL}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)")
_TIME_WITHOUT_OFFSET = re.compile(_LOCAL)
_TIME_LIKE = re.compile(rf"{_DATE}([T ][0-9:.,+-]{{0,30}}Z?)?")
_NUMBER_LIKE = re.compile(r"[0-9.,+-]{1,4}")
_WORD_LIKE = re.compile(r"[a-zåäö_-]{1,20}")


class _Instant(NamedTuple):
    text: str
    at: datetime
    microseconds: int
    """Since 1970, UTC."""


@lru_cache(maxsize=1 << 15)
def _instant(text: str) -> _Instant:
    """Raises `ValueError` where it is no time with an offset; years outside 1900-2199 are none."""
    at = datetime.fromisoformat(text)
    if not (_TIME.fullmatch(text) and 1900 <= at.year < 2200):
        raise ValueError(text)
    return _Instant(text, at, round(at.timestamp() * 1_000_000))


def _time(column: str, text: str) -> _Instant:
    try:
        return _instant(text)
    except ValueError:
        met = shown(text, _TIME_LIKE)
        if _TIME_WITHOUT_OFFSET.fullmatch(text):
            met = f"{text!r} without an offset"
    wanted = "wanted a time with its offset such as 2025-09-01T08:10:00+02:00"
    raise ValueError(f"{column}: met {met}; {wanted}")


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
