"""The roster's CSV files: pupils, staff and who of them is away, taken whole or not at all.

A half-read roster would send a pupil's findings to the wrong adult. So every mistake in all
files is told at once, with its line, and nothing is taken until there is none. Names and
addresses go to notify alone; rules gets a `PupilRecord` without them.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from services.ingest.csv_rows import CsvRow, HeaderError, csv_rows, open_rows, shown
from shared.config import ConfigError, Problem
from shared.events import PupilRecord
from shared.roster import HANDOVER, Absence, RosterPupil, StaffMember
from shared.rulebook import Audience

PUPILS_FILE = "pupils.csv"
STAFF_FILE = "staff.csv"
ABSENCES_FILE = "absences.csv"
"""Need not be there: nobody is away."""
ROSTER_FILES = (PUPILS_FILE, STAFF_FILE, ABSENCES_FILE)

NEEDED_ROLES: tuple[Audience, ...] = ("eht", "rektor")
"""Whom every school must have: to them goes what reaches nobody else."""


class Roster(NamedTuple):
    """The files, checked against each other."""

    pupils: tuple[RosterPupil, ...]
    staff: tuple[StaffMember, ...]
    absences: tuple[Absence, ...] = ()


def read_roster(folder: Path) -> Roster:
    """Read the files in a folder; raise `ConfigError` with all that is wrong in them."""
    problems: list[Problem] = []
    pupils = _read(folder / PUPILS_FILE, RosterPupil, problems)
    staff = _read(folder / STAFF_FILE, StaffMember, problems)
    absences_file = folder / ABSENCES_FILE
    absences = _read(absences_file, Absence, problems) if absences_file.exists() else {}
    _refuse_repeated(folder / PUPILS_FILE, pupils, "pupil", problems)
    _refuse_repeated(folder / STAFF_FILE, staff, "staff", problems)
    _refuse_overlaps(absences_file, absences, problems)
    # With staff rows missing for mistakes of their own, everybody in them would seem unknown.
    if not any(problem.file == str(folder / STAFF_FILE) for problem in problems):
        _refuse_unknown_teachers(folder / PUPILS_FILE, pupils, staff, problems)
        _refuse_unknown_absent(absences_file, absences, staff, problems)
        _refuse_unreachable_schools(folder / STAFF_FILE, pupils, staff, problems)
    if problems:
        raise ConfigError(sorted(problems, key=lambda problem: (problem.file, problem.line)))
    return Roster(tuple(pupils.values()), tuple(staff.values()), tuple(absences.values()))


def write_roster(roster: Roster, folder: Path) -> None:
    """Write the files into `folder`, which must exist; `read_roster` gives the roster back.

    The handover has columns when there is one of any pupil, protected identity has one when any
    pupil's is. There is a file of absences when there are any.
    """
    _write(folder / PUPILS_FILE, RosterPupil, roster.pupils)
    _write(folder / STAFF_FILE, StaffMember, roster.staff)
    if roster.absences:
        _write(folder / ABSENCES_FILE, Absence, roster.absences)
    else:
        (folder / ABSENCES_FILE).unlink(missing_ok=True)


def records(pupils: Iterable[RosterPupil], recorded_at: datetime) -> Iterator[PupilRecord]:
    """What rules may know of the pupils; `recorded_at`, with an offset, is when it was read."""
    for pupil in pupils:
        known = pupil.model_dump(exclude={"name"})
        yield PupilRecord(**known, recorded_at=recorded_at)


RowModel = TypeVar("RowModel", RosterPupil, StaffMember, Absence)


def _columns(model: type[RowModel], *, protected: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The file's columns, and those that may follow them."""
    columns = tuple(field.alias or name for name, field in model.model_fields.items())
    optional: tuple[str, ...] = HANDOVER if model is RosterPupil else ()
    left_out = optional if protected else (*optional, _PROTECTED)
    return tuple(column for column in columns if column not in left_out), optional


def _read(path: Path, model: type[RowModel], problems: list[Problem]) -> dict[int, RowModel]:
    """The file's good rows by their line; what is wrong with the others goes to `problems`."""
    found: dict[int, RowModel] = {}
    try:
        with open_rows(path) as lines:
            header = next((line for line in lines if line.strip()), "")
        protected = _PROTECTED in re.split(r'[,"\r\n]+', header)
        columns, optional = _columns(model, protected=protected)
        with open_rows(path) as lines:
            for row in csv_rows(lines, columns, optional):
                what = list(_wrong(row, columns + optional, model, found))
                problems += [Problem(str(path), row.line, column, each) for column, each in what]
    except HeaderError as error:
        problems.append(Problem(str(path), 1, "", str(error)))
    except OSError as error:
        problems.append(Problem(str(path), 1, "", f"cannot be read: {error.strerror}"))
    return found


def _wrong(
    row: CsvRow, columns: tuple[str, ...], model: type[RowModel], found: dict[int, RowModel]
) -> Iterator[tuple[str, str]]:
    """Put the row into `found`, or tell each column that is wrong in it, and how."""
    if row.fault:
        yield "", row.fault
        return
    cells = dict(zip(columns, row.cells, strict=True))
    wrong = list(_badly_written(cells))
    try:
        read = model.model_validate(
            {column: _value(column, cell) for column, cell in cells.items()}
        )
    except ValidationError as error:
        told = {column for column, _ in wrong}
        wrong += [each for each in map(_reason, error.errors()) if each[0] not in told]
    if wrong:
        yield from wrong
    else:
        found[row.line] = read


def _value(column: str, cell: str) -> object:
    if column in _LISTS:
        return cell.split()
    if column in _YES_OR_NO:
        return cell.lower() in _YES
    return None if not cell and column in _MAY_BE_EMPTY else cell


def _badly_written(cells: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What the contracts let pass, since they also serve programs that write them."""
    for column, cell in cells.items():
        if _CONTROL.search(cell):
            yield column, "met a line break or control character; wanted plain text"
        elif column in _WRITTEN and cell and not _WRITTEN[column].fullmatch(cell):
            yield column, f"met {shown(cell, _HARMLESS[column])}; wanted {_WANTED[column]}"
    if not cells.get("roles", "some").split():
        yield "roles", f"met nothing; wanted {_WANTED['roles']}"
    for first, last in _IN_ORDER:
        begins, ends = cells.get(first, ""), cells.get(last, "")
        if _ISO_DATE.fullmatch(begins) and _ISO_DATE.fullmatch(ends) and ends < begins:
            yield last, f"met {ends}; wanted a date not before {first}, {begins}"


_PROTECTED = "protected"
"""Of a pupil's row: a column that follows the others, before the handover."""

_LISTS = frozenset({"contact_teachers", "roles"})
_YES_OR_NO = frozenset({"need", _PROTECTED})
_MAY_BE_EMPTY = frozenset({"enrolled", "left", "last_year_share"})
_IN_ORDER = (("enrolled", "left"), ("from", "until"))
_YES = frozenset({"yes", "true", "1"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_LIKE = re.compile(r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}")
_TRUTH = re.compile("yes|no|true|false|1|0", re.IGNORECASE)
_WRITTEN = {
    "enrolled": _ISO_DATE,
    "left": _ISO_DATE,
    "valid_from": _ISO_DATE,
    "from": _ISO_DATE,
    "until": _ISO_DATE,
    "protected": _TRUTH,
    "need": _TRUTH,
    "last_year_share": re.compile(r"0(\.[0-9]{1,6})?|1(\.0{1,6})?"),
}
# What a column must hold, and what it may show of what was met: never a name or an address.
_IDENTIFIER = "an identifier of at most 128 characters without spaces or slash"
_DATE = "a date such as 2025-08-18"
_YES_NO = "yes or no, true or false, 1 or 0, or nothing for no"
_WANTED = {
    "school": _IDENTIFIER,
    "pupil": _IDENTIFIER,
    "staff": _IDENTIFIER,
    "contact_teachers": "identifiers of staff, joined by spaces, or nothing",
    "enrolled": f"{_DATE}, or nothing",
    "left": f"{_DATE}, or nothing",
    "valid_from": _DATE,
    "from": _DATE,
    "until": _DATE,
    "substitute": f"{_IDENTIFIER}, or nothing",
    "protected": _YES_NO,
    "need": _YES_NO,
    "last_year_share": "a share from 0 to 1, such as 0.12 for 12 per cent, or nothing",
    "roles": f"one or more of {', '.join(get_args(Audience))}, joined by spaces",
    "email": "an address such as k7a1@skola.example, or nothing",
    "mobile": "a number with its country such as +46701740605, or nothing",
    "slot": "a weekday, mon to fri, and a time, such as thu 15:00, or nothing",
}
_TRUTH_LIKE = re.compile(r"ja|nej|[jnyx+-]", re.IGNORECASE)
_HARMLESS = {
    "enrolled": _DATE_LIKE,
    "left": _DATE_LIKE,
    "valid_from": _DATE_LIKE,
    "from": _DATE_LIKE,
    "until": _DATE_LIKE,
    "protected": _TRUTH_LIKE,
    "need": _TRUTH_LIKE,
    "last_year_share": re.compile(r"-?[0-9]{1,3}([.,][0-9]{1,6})? ?%?"),
    "roles": re.compile(r"[a-zåäö_]{1,20}"),
    "slot": re.compile(r"[a-zåäö]{2,7}\.? ?[0-9:.]{0,5}"),
}
_NEVER = re.compile("(?!)")


def _reason(error: ErrorDetails) -> tuple[str, str]:
    """The column and what is wrong there; a list's cell is told of as a whole."""
    column = str(error["loc"][0])
    met = error["input"] if isinstance(error["input"], str) else ""
    wanted = _WANTED.get(column, "text")
    return column, f"met {shown(met, _HARMLESS.get(column, _NEVER))}; wanted {wanted}"


def _refuse_repeated(
    path: Path, rows: Mapping[int, RosterPupil | StaffMember], who: str, problems: list[Problem]
) -> None:
    first: dict[tuple[str, str, date], int] = {}
    for line, row in rows.items():
        key = (row.school, getattr(row, who), row.valid_from)
        if key in first:
            what = f"stands in line {first[key]} with the same valid_from; wanted one of the two"
            problems.append(Problem(str(path), line, who, what))
        first.setdefault(key, line)


def _refuse_unknown_teachers(
    path: Path,
    pupils: Mapping[int, RosterPupil],
    staff: Mapping[int, StaffMember],
    problems: list[Problem],
) -> None:
    known = {
        (member.school, member.staff)
        for member in staff.values()
        if "contact_teacher" in member.roles
    }
    for line, pupil in pupils.items():
        for number, teacher in enumerate(pupil.contact_teachers, 1):
            if (pupil.school, teacher) not in known:
                what = (
                    f"number {number} of {len(pupil.contact_teachers)} is unknown; wanted staff "
                    f"of the same school with the role contact_teacher in {STAFF_FILE}"
                )
                problems.append(Problem(str(path), line, "contact_teachers", what))


def _refuse_overlaps(path: Path, absences: Mapping[int, Absence], problems: list[Problem]) -> None:
    """Of one person's rows in the order of their days, each begins when all before have ended."""
    in_order = sorted(absences.items(), key=lambda each: (each[1].first, each[0]))
    longest: dict[tuple[str, str], tuple[date, int]] = {}
    for line, row in in_order:
        who = (row.school, row.staff)
        last, other = longest.get(who, (date.min, 0))
        if row.first <= last:
            earlier, later = sorted((line, other))
            what = f"shares days with line {earlier}; wanted each day of one person in one row"
            problems.append(Problem(str(path), later, "from", what))
        longest[who] = max((last, other), (row.last, line))


def _refuse_unknown_absent(
    path: Path,
    absences: Mapping[int, Absence],
    staff: Mapping[int, StaffMember],
    problems: list[Problem],
) -> None:
    known = {(member.school, member.staff) for member in staff.values()}
    for line, row in absences.items():
        if (row.school, row.staff) not in known:
            what = f"is unknown; wanted staff of the same school in {STAFF_FILE}"
            problems.append(Problem(str(path), line, "staff", what))
        if row.substitute == row.staff:
            what = "is the one who is away; wanted another, or nothing"
            problems.append(Problem(str(path), line, "substitute", what))
        elif row.substitute and (row.school, row.substitute) not in known:
            what = f"is unknown; wanted staff of the same school in {STAFF_FILE}, or nothing"
            problems.append(Problem(str(path), line, "substitute", what))


def _refuse_unreachable_schools(
    path: Path,
    pupils: Mapping[int, RosterPupil],
    staff: Mapping[int, StaffMember],
    problems: list[Problem],
) -> None:
    """Each school with pupils needs its roles, as of the day from which all rows are valid."""
    newest: dict[tuple[str, str], StaffMember] = {}
    for member in sorted(staff.values(), key=lambda member: member.valid_from):
        newest[member.school, member.staff] = member
    reachable = {
        (member.school, role)
        for member in newest.values()
        if member.email or member.mobile
        for role in member.roles
    }
    schools: dict[str, int] = {}
    for line, pupil in pupils.items():
        schools.setdefault(pupil.school, line)
    for school, line in schools.items():
        for role in NEEDED_ROLES:
            if (school, role) not in reachable:
                # In a row whose cells have slipped, a name may stand where the school should.
                what = (
                    f"nobody with the role {role} can be reached at the school of line {line} in "
                    f"{PUPILS_FILE}; wanted at least one, with an email or a mobile in their "
                    "newest row"
                )
                problems.append(Problem(str(path), 1, "roles", what))


def _write(path: Path, model: type[RowModel], rows: Iterable[RowModel]) -> None:
    rows = tuple(rows)
    protected = any(_known(row, _PROTECTED) for row in rows if isinstance(row, RosterPupil))
    columns, optional = _columns(model, protected=protected)
    if any(_known(row, column) for row in rows for column in optional):
        columns += optional
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            values = row.model_dump(by_alias=True)
            writer.writerow(_cell(values[column]) for column in columns)


def _known(row: BaseModel, column: str) -> bool:
    return bool(getattr(row, column) != type(row).model_fields[column].default)


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)
