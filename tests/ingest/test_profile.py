"""What an export may hold, what is refused, and what a refusal says."""

from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.ingest.csv_rows import HeaderError, open_rows
from services.ingest.imports import Report, Rows
from services.ingest.profile import CANONICAL, Accepted, Refused, Row, read_rows
from services.ingest.quarantine import reread
from shared.events import AttendanceEvent, Status

HEADER = ",".join(CANONICAL.columns) + "\n"
WITH_GROUP = HEADER.replace("\n", ",group\n")
GOOD = {
    "school": "skola-1",
    "pupil": "elev-7731",
    "lesson": "7A-20250901-1",
    "starts_at": "2025-09-01T08:10:00+02:00",
    "minutes": "60",
    "subject": "MA",
    "status": "present",
    "absent_minutes": "",
    "recorded_at": "2025-09-01T08:17:30+02:00",
}


def a_row(**cells: str) -> str:
    return ",".join((GOOD | cells).values()) + "\n"


def read(*lines: str, header: str = HEADER) -> list[Row]:
    return list(read_rows(StringIO("".join((header, *lines)), newline="")))


def only(**cells: str) -> AttendanceEvent:
    (row,) = read(a_row(**cells))
    assert isinstance(row, Accepted), row
    return row.event


def reason(line: str) -> str:
    (row,) = read(line)
    assert isinstance(row, Refused)
    return row.reason


def test_a_row_becomes_a_registration_with_its_line() -> None:
    (row,) = read(a_row())

    assert isinstance(row, Accepted)
    assert row.line == 2
    assert row.event == AttendanceEvent(
        school="skola-1",
        pupil="elev-7731",
        lesson="7A-20250901-1",
        starts_at=datetime.fromisoformat("2025-09-01T08:10:00+02:00"),
        minutes=60,
        subject="MA",
        status=Status.PRESENT,
        absent_minutes=0,
        recorded_at=datetime.fromisoformat("2025-09-01T08:17:30+02:00"),
    )


@pytest.mark.parametrize(
    ("status", "absent"),
    [
        ("present", 0),
        ("late", 0),
        ("excused", 60),
        ("leave", 60),
        ("unexcused", 60),
        ("other", 0),
        ("unreported", 0),
        ("withdrawn", 0),
    ],
)
def test_minutes_left_out_mean_the_whole_lesson_for_those_away_and_none_for_the_others(
    status: str, absent: int
) -> None:
    event = only(status=status, absent_minutes="")

    assert event.absent_minutes == absent


def test_minutes_that_are_given_count_as_given() -> None:
    event = only(status="excused", absent_minutes="0")

    assert event.absent_minutes == 0


def test_minutes_may_have_noughts_before_them() -> None:
    event = only(minutes="045", absent_minutes="007", status="late")

    assert (event.minutes, event.absent_minutes) == (45, 7)


NAMES = ["skola-1", "å", "å\x1cb", "x" * 128, "", "a b", "a/b", "\xa0", "x" * 129]
TIMES = ["2025-09-01T08:10:00+02:00", "2025-09-01 08:10:00.5Z", "2025-09-01T08:10-03:30"]
TEXTS = ["", "MA", "a b/å", "x" * 128, "x" * 129]
CELLS = st.fixed_dictionaries(
    {
        "school": st.sampled_from(NAMES),
        "pupil": st.sampled_from(NAMES),
        "lesson": st.sampled_from(NAMES),
        "starts_at": st.sampled_from(TIMES),
        "minutes": st.sampled_from(["0", "1", "45", "045", "1440", "1441"]),
        "subject": st.sampled_from(TEXTS),
        "status": st.sampled_from(list(Status)),
        "absent_minutes": st.sampled_from(["0", "00", "1", "45", "46", "1441"]),
        "recorded_at": st.sampled_from(TIMES),
        "group": st.sampled_from(TEXTS),
    }
)


@given(cells=CELLS)
def test_a_row_is_a_registration_if_the_contract_says_so(cells: dict[str, str]) -> None:
    instants = {name: datetime.fromisoformat(cells[name]) for name in ("starts_at", "recorded_at")}
    try:
        wanted = AttendanceEvent.model_validate(cells | instants)
    except ValidationError:
        wanted = None

    # The second time every cell that can be right has been met before.
    rows = read(*[a_row(**cells)] * 2, header=WITH_GROUP)

    assert [row.event if isinstance(row, Accepted) else None for row in rows] == [wanted] * 2


def test_the_offset_stays_as_the_school_wrote_it() -> None:
    event = only(starts_at="2025-09-01T08:10Z", recorded_at="2025-09-01 08:17:30.5-03:30")

    assert event.starts_at.isoformat() == "2025-09-01T08:10:00+00:00"
    assert event.recorded_at.isoformat() == "2025-09-01T08:17:30.500000-03:30"


@pytest.mark.parametrize(
    ("cells", "wanted_in_reason"),
    [
        ({"school": ""}, "school: met nothing; wanted an identifier"),
        ({"pupil": ""}, "pupil: met nothing; wanted an identifier"),
        ({"pupil": "Majken Ågränd"}, "pupil: met a space or a slash"),
        ({"school": "nord/skola-1"}, "school: met a space or a slash"),
        ({"lesson": "x" * 129}, "lesson: met too much text; wanted at most 128 characters"),
        ({"subject": "x" * 129}, "subject: met too much text; wanted at most 128 characters"),
        ({"starts_at": "2025-02-30T08:10:00+01:00"}, "starts_at: met '2025-02-30T08:10:00+01:00'"),
        ({"starts_at": "2025-09-01T08:10:00"}, "starts_at: met '2025-09-01T08:10:00' without an"),
        ({"starts_at": "2025-09-01"}, "starts_at: met '2025-09-01'; wanted a time with its offset"),
        ({"starts_at": "0001-01-01T00:00+02:00"}, "starts_at: met '0001-01-01T00:00+02:00'"),
        ({"recorded_at": ""}, "recorded_at: met nothing; wanted a time with its offset"),
        ({"recorded_at": "1756707450"}, "recorded_at: met 10 characters of another kind"),
        ({"minutes": "0"}, "minutes: met 0; wanted a whole number, 1 to 1440"),
        ({"minutes": "1441"}, "minutes: met 1441; wanted a whole number, 1 to 1440"),
        ({"minutes": "45.5"}, "minutes: met '45.5'; wanted a whole number"),
        ({"minutes": "-45"}, "minutes: met '-45'; wanted a whole number"),
        ({"minutes": "٤٥"}, "minutes: met 2 characters of another kind; wanted a whole number"),
        ({"minutes": "9" * 5000}, "minutes: met 5000 characters of another kind"),
        ({"minutes": ""}, "minutes: met nothing; wanted a whole number, 1 to 1440"),
        ({"absent_minutes": "61"}, "absent_minutes: 61 absent minutes of 60 offered"),
        ({"absent_minutes": "all"}, "absent_minutes: met 3 characters of another kind"),
        ({"status": "sjuk"}, "status: met 'sjuk'; wanted one of present, late, excused"),
        ({"status": "Present"}, "status: met 'Present'; wanted one of present"),
        ({"status": ""}, "status: met nothing; wanted one of present"),
        ({"subject": "M\0A"}, "subject: met a NUL character"),
        ({"pupil": "p\0"}, "pupil: met a NUL character"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused_and_the_column_named(
    cells: dict[str, str], wanted_in_reason: str
) -> None:
    told = reason(a_row(**cells))

    assert told.startswith(wanted_in_reason)
    assert "\n" not in told


@pytest.mark.parametrize("line", [a_row().replace(",MA", ""), a_row().replace(",MA", ",MA,NO")])
def test_a_row_with_a_column_too_few_or_too_many_is_refused(line: str) -> None:
    told = reason(line)

    assert told.startswith(f"columns: met {line.count(',') + 1}; wanted 9: school,pupil,lesson")


def test_a_refused_row_is_kept_as_it_stood() -> None:
    line = a_row(status="sjuk")

    (row,) = read(line)

    assert row == Refused(2, line.rstrip("\n"), reason(line), CANONICAL.columns)


@pytest.mark.parametrize("group", ["7A-MA", "", " 7A ma, åk 7 ", "x" * 128])
def test_a_last_column_may_say_which_group_a_lesson_is_registered_by(group: str) -> None:
    (row,) = read(a_row(group=f'"{group}"'), header=WITH_GROUP)

    assert isinstance(row, Accepted)
    assert row.event == only().model_copy(update={"group": group})


def test_a_group_of_too_much_text_is_refused() -> None:
    (row,) = read(a_row(group="x" * 129), header=WITH_GROUP)

    assert isinstance(row, Refused)
    assert row.reason == "group: met too much text; wanted at most 128 characters"


@pytest.mark.parametrize(
    ("header", "line", "told"),
    [(WITH_GROUP, a_row(), "met 9; wanted 10"), (HEADER, a_row(group="7A"), "met 10; wanted 9")],
)
def test_a_row_has_the_columns_of_its_own_header(header: str, line: str, told: str) -> None:
    (row,) = read(line, header=header)

    assert isinstance(row, Refused)
    assert row.reason.startswith(f"columns: {told}: school,pupil")
    assert row.header == tuple(header.strip().split(","))


@pytest.mark.parametrize("header", [HEADER, WITH_GROUP])
def test_a_kept_row_is_read_anew_under_the_header_of_its_file(header: str, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    extra = {"group": "7A-MA"} if "group" in header else {}
    file.write_text(header + a_row(status="sjuk", **extra), encoding="utf-8")
    rows = Rows([file], CANONICAL, Report())
    list(rows.counted())
    ((_, kept),) = rows.waiting

    row = reread(str(kept["raw"]).replace("sjuk", "late"), CANONICAL, str(kept["header"]))

    assert isinstance(row, Accepted)
    assert (row.event.status, row.event.group) == (Status.LATE, extra.get("group", ""))


def test_a_row_kept_before_there_were_groups_is_read_anew() -> None:
    assert isinstance(reread(a_row().strip(), CANONICAL), Accepted)


@pytest.mark.parametrize("column", CANONICAL.columns)
@pytest.mark.parametrize("person", ["Majken Ågränd", "Majken", "elev-7731", "20110203-1234"])
def test_no_reason_repeats_who_the_row_is_about(column: str, person: str) -> None:
    rows = read(a_row(**{column: person}), a_row().replace("\n", f",{person}\n"), f"{person}\n")

    assert not [row for row in rows if isinstance(row, Refused) and person in row.reason]


def test_line_numbers_are_those_of_the_file_also_below_a_cell_of_several_lines() -> None:
    rows = read(a_row(subject='"MA\nNO\r\nSO"'), "\n", a_row(status="?"), a_row())

    assert [row.line for row in rows] == [2, 6, 7]
    assert isinstance(rows[0], Accepted)
    assert rows[0].event.subject == "MA\nNO\r\nSO"


def test_quotes_may_stand_in_quoted_cells() -> None:
    event = only(pupil='"p""1,2"', subject='"MA, ""fördjupning"""')

    assert (event.pupil, event.subject) == ('p"1,2', 'MA, "fördjupning"')


def test_a_quote_that_nothing_closes_costs_its_own_row_only() -> None:
    rows = read(a_row(), a_row(subject='"MA'), *[a_row()] * 100)

    assert [row.line for row in rows if isinstance(row, Refused)] == [3]
    assert len(rows) == 102


def test_two_stray_quotes_near_each_other_cost_two_rows_only() -> None:
    rows = read(a_row(subject='"MA'), a_row(), a_row(subject='"MA'), a_row())

    assert [row.line for row in rows if isinstance(row, Refused)] == [2, 4]


def test_a_stray_quote_in_the_last_row_costs_that_row_only() -> None:
    rows = read(a_row(), a_row(subject='"MA'))

    assert [type(row) for row in rows] == [Accepted, Refused]


def test_text_after_a_closing_quote_is_refused() -> None:
    assert reason(a_row(subject='"MA"x')).startswith("columns: met a quote")


def test_bytes_that_are_no_utf8_cost_their_row_only(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    rows = HEADER + a_row(subject="Svenska") + a_row(subject="Bild å form") + a_row(subject="MA")
    file.write_bytes(rows.encode("latin-1"))

    with open_rows(file) as lines:
        read_back = list(read_rows(lines))

    assert [row.line for row in read_back if isinstance(row, Accepted)] == [2, 4]
    (refused,) = (row for row in read_back if isinstance(row, Refused))
    assert refused.reason == "subject: met bytes that are no UTF-8; wanted the file saved as UTF-8"
    assert "Bild \\xe5 form" in refused.raw
    refused.raw.encode("utf-8")


def test_a_file_from_a_spreadsheet_with_its_mark_and_line_ends_is_read(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(("\ufeff" + HEADER + a_row()).replace("\n", "\r\n").encode())

    with open_rows(file) as lines:
        (row,) = read_rows(lines)

    assert isinstance(row, Accepted)


@pytest.mark.parametrize(
    ("first", "met"),
    [
        ("", "met an empty file"),
        ("school,pupil\n", "met school,pupil"),
        (HEADER.replace("pupil", "name"), "met school,name,lesson"),
        (HEADER.replace(",", ";"), "met school;pupil;lesson"),
        (WITH_GROUP.replace("group", "grupp"), "met school,pupil,lesson"),
        (WITH_GROUP.replace("\n", ",group\n"), "met school,pupil,lesson"),
    ],
)
def test_another_header_is_told_with_the_one_that_is_wanted(first: str, met: str) -> None:
    with pytest.raises(HeaderError) as error:
        list(read_rows(StringIO(first, newline="")))

    assert str(error.value).startswith(met)
    wanted = f"wanted the header {HEADER.strip()} as the first row, or with group after it"
    assert str(error.value).endswith(wanted)


def test_a_file_without_header_is_told_without_naming_its_first_pupil() -> None:
    with pytest.raises(HeaderError) as error:
        list(read_rows([a_row()]))

    assert "elev-7731" not in str(error.value)


def test_rows_are_read_as_they_are_asked_for() -> None:
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        yield HEADER
        while True:
            taken += 1
            yield a_row()

    rows = read_rows(endless())
    for _ in range(10):
        next(rows)

    assert taken == 10


@given(st.lists(st.text(alphabet='",\r\n\0 /ab1å:-', max_size=40), max_size=12))
def test_no_text_stops_the_rows_after_it(lines: list[str]) -> None:
    rows = read(*(line + "\n" for line in lines), *["\n", a_row()] * 40)

    assert isinstance(rows[-1], Accepted)


def test_the_header_with_its_marks_around_cells_is_the_same_header() -> None:
    quoted = HEADER.replace("school", '"school"').replace("status", '"status"')

    assert [type(row) for row in read_rows([quoted, a_row()])] == [Accepted]


def test_what_was_recorded_by_then_is_read_and_what_came_later_is_refused() -> None:
    by_then = datetime.fromisoformat(GOOD["recorded_at"])
    later = a_row(recorded_at="2025-09-01T06:17:31Z")

    rows = list(read_rows(StringIO(HEADER + a_row() + later, newline=""), newest=by_then))

    assert [type(row) for row in rows] == [Accepted, Refused]
    assert isinstance(rows[1], Refused)
    assert rows[1].reason == (
        "recorded_at: met '2025-09-01T06:17:31Z'; "
        "wanted when it was recorded, 2025-09-01 at the latest"
    )
