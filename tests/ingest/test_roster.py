"""The roster's files: read whole, refused whole, and every mistake told with its line."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from services.ingest.imports import send_roster
from services.ingest.publish import Publisher
from services.ingest.roster import Roster, read_roster, records, write_roster
from services.ingest.store import IngestStore
from shared.broker import connected, text
from shared.config import ConfigError
from shared.events import PupilRecord
from shared.roster import ROSTER
from shared.roster import Roster as SchoolRoster

PUPILS_HEADER = "school,pupil,name,class,work_team,enrolled,left,contact_teachers,bus,valid_from"
HANDOVER_HEADER = f"{PUPILS_HEADER},feeder_school,need,last_year_share"
STAFF_HEADER = "school,staff,name,roles,email,mobile,slot,valid_from"
ABSENCES_HEADER = "school,staff,from,until,substitute"
PUPIL = {
    "school": "skola-1",
    "pupil": "p0001",
    "name": "Majken Ågränd",
    "class": "7A",
    "work_team": "Arbetslag 7",
    "enrolled": "2025-08-18",
    "left": "",
    "contact_teachers": "k7a1",
    "bus": "linje 3",
    "valid_from": "2025-08-18",
}
TEACHER = {
    "school": "skola-1",
    "staff": "k7a1",
    "name": "Sixten Öbrink",
    "roles": "contact_teacher",
    "email": "sixten.obrink@skola-1.example",
    "mobile": "+46701740605",
    "slot": "thu 15:00",
    "valid_from": "2025-08-18",
}


ABSENCE = {
    "school": "skola-1",
    "staff": "k7a1",
    "from": "2025-10-06",
    "until": "2025-10-10",
    "substitute": "eht1",
}


def pupil(**cells: str) -> str:
    cells = {name.removesuffix("_"): cell for name, cell in cells.items()}
    return ",".join((PUPIL | cells).values())


def protected(cell: str = "yes") -> str:
    return f"{pupil()},{cell}"


def handed_over(feeder_school: str = "skola-f1", need: str = "", share: str = "") -> str:
    return f"{pupil()},{feeder_school},{need},{share}"


def teacher(**cells: str) -> str:
    return ",".join((TEACHER | cells).values())


def away(**cells: str) -> str:
    cells = {name.removesuffix("_"): cell for name, cell in cells.items()}
    return ",".join((ABSENCE | cells).values())


EHT = teacher(staff="eht1", roles="eht", email="eht1@skola-1.example", mobile="", slot="")
REKTOR = teacher(staff="rektor", roles="rektor", email="", slot="")
STAFF = (teacher(), EHT, REKTOR)


def read(
    folder: Path,
    pupils: tuple[str, ...] = (pupil(),),
    staff: tuple[str, ...] = STAFF,
    absences: tuple[str, ...] = (),
) -> Roster:
    more = pupils[0].count(",") - PUPILS_HEADER.count(",")
    header = {0: PUPILS_HEADER, 1: f"{PUPILS_HEADER},protected"}.get(more, HANDOVER_HEADER)
    (folder / "pupils.csv").write_text("\n".join((header, *pupils)), encoding="utf-8")
    (folder / "staff.csv").write_text("\n".join((STAFF_HEADER, *staff)), encoding="utf-8")
    if absences:
        rows = "\n".join((ABSENCES_HEADER, *absences))
        (folder / "absences.csv").write_text(rows, encoding="utf-8")
    return read_roster(folder)


def problems(
    folder: Path,
    pupils: tuple[str, ...] = (pupil(),),
    staff: tuple[str, ...] = STAFF,
    absences: tuple[str, ...] = (),
) -> list[str]:
    with pytest.raises(ConfigError) as error:
        read(folder, pupils, staff, absences)
    return [str(problem).removeprefix(f"{folder}/") for problem in error.value.problems]


def test_a_roster_says_who_follows_which_pupil_and_when(tmp_path: Path) -> None:
    roster = read(tmp_path)

    (majken,), (sixten, *_), _ = roster
    assert majken.school_class == "7A"
    assert majken.contact_teachers == ("k7a1",)
    assert (majken.enrolled, majken.left) == (date(2025, 8, 18), None)
    assert sixten.roles == ("contact_teacher",)
    assert sixten.slot == "thu 15:00"


def test_a_pupil_may_have_several_contact_teachers_and_an_adult_several_roles(
    tmp_path: Path,
) -> None:
    second = teacher(staff="k7a2", roles="contact_teacher coordinator")

    roster = read(tmp_path, (pupil(contact_teachers="k7a1 k7a2"),), (teacher(), second, *STAFF[1:]))

    assert roster.pupils[0].contact_teachers == ("k7a1", "k7a2")
    assert roster.staff[1].roles == ("contact_teacher", "coordinator")


def test_what_need_not_be_known_may_be_left_out(tmp_path: Path) -> None:
    bare = pupil(
        name="", class_="", work_team="", enrolled="", contact_teachers="", bus="", left=""
    )

    roster = read(tmp_path, (bare,), (teacher(email="", mobile="", slot=""), *STAFF[1:]))

    assert roster.pupils[0].contact_teachers == ()
    assert (roster.staff[0].email, roster.staff[0].slot) == ("", "")


def test_a_pupil_may_have_several_rows_that_hold_from_different_days(tmp_path: Path) -> None:
    roster = read(tmp_path, (pupil(), pupil(class_="7B", valid_from="2025-11-03")))

    assert [row.school_class for row in roster.pupils] == ["7A", "7B"]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"pupil": ""}, "pupil: met nothing; wanted an identifier"),
        ({"school": "norr syd"}, "school: met 8 characters of another kind; wanted an identifier"),
        ({"valid_from": ""}, "valid_from: met nothing; wanted a date such as 2025-08-18"),
        ({"valid_from": "18/8 2025"}, "valid_from: met 9 characters of another kind; wanted a dat"),
        ({"enrolled": "2025-02-30"}, "enrolled: met '2025-02-30'; wanted a date"),
        ({"enrolled": "2025-8-18"}, "enrolled: met '2025-8-18'; wanted a date"),
        ({"left": "2025-08-15"}, "left: met 2025-08-15; wanted a date not before enrolled"),
        ({"contact_teachers": "k9z1"}, "contact_teachers: number 1 of 1 is unknown; wanted staff"),
        ({"contact_teachers": "k7a1 eht1"}, "contact_teachers: number 2 of 2 is unknown"),
        ({"contact_teachers": "a/b"}, "contact_teachers: met 3 characters of another kind"),
        ({"class": "7A,7B"}, "columns: met 11; wanted 10: school,pupil,name"),
        ({"name": '"Majken\tÅgränd"'}, "name: met a line break or control character"),
    ],
)
def test_a_mistake_about_a_pupil_is_told_with_file_line_and_what_is_wanted(
    tmp_path: Path, cells: dict[str, str], told: str
) -> None:
    (problem,) = problems(tmp_path, (pupil(pupil="p0002"), pupil(**cells)))

    assert problem.startswith(f"pupils.csv:3: {told}")
    assert "Majken" not in problem


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"staff": ""}, "staff: met nothing; wanted an identifier"),
        ({"roles": ""}, "roles: met nothing; wanted one or more of contact_teacher, eht, rektor"),
        ({"roles": "mentor"}, "roles: met 'mentor'; wanted one or more of contact_teacher"),
        ({"email": "sixten.obrink"}, "email: met 13 characters of another kind; wanted an addres"),
        ({"email": "a@b.example c@d.example"}, "email: met 23 characters of another kind"),
        ({"mobile": "0701740605"}, "mobile: met 10 characters of another kind; wanted a number"),
        ({"slot": "sat 10:00"}, "slot: met 'sat 10:00'; wanted a weekday, mon to fri, and a time"),
        ({"slot": "tors 15.00"}, "slot: met 'tors 15.00'; wanted a weekday"),
        ({"slot": "thu 25:00"}, "slot: met 'thu 25:00'; wanted a weekday"),
    ],
)
def test_a_mistake_about_an_adult_is_told_without_name_or_address(
    tmp_path: Path, cells: dict[str, str], told: str
) -> None:
    (problem,) = problems(tmp_path, staff=(teacher(staff="k7a9"), teacher(**cells)))

    assert problem.startswith(f"staff.csv:3: {told}")
    assert "ixten" not in problem


def test_a_contact_teacher_of_another_school_is_unknown(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, staff=(teacher(school="skola-2"), EHT, REKTOR))

    assert problem.startswith("pupils.csv:2: contact_teachers: number 1 of 1 is unknown")


def test_two_rows_of_one_pupil_from_the_same_day_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, (pupil(), pupil(class_="7B")))

    assert problem.startswith("pupils.csv:3: pupil: stands in line 2 with the same valid_from")


def test_all_mistakes_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        (pupil(valid_from="i går", enrolled="?"), pupil(pupil="p/2")),
        (teacher(slot="fredag", mobile="112"),),
    )

    assert [problem.split(":")[:3] for problem in told] == [
        ["pupils.csv", "2", " enrolled"],
        ["pupils.csv", "2", " valid_from"],
        ["pupils.csv", "3", " pupil"],
        ["staff.csv", "2", " mobile"],
        ["staff.csv", "2", " slot"],
    ]


def test_a_folder_without_the_files_says_which_are_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read_roster(tmp_path)

    assert str(error.value).splitlines() == [
        f"{tmp_path}/pupils.csv:1: cannot be read: No such file or directory",
        f"{tmp_path}/staff.csv:1: cannot be read: No such file or directory",
    ]


def test_another_header_is_told_with_the_one_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "pupils.csv").write_text("elev,skola\n", encoding="utf-8")
    (tmp_path / "staff.csv").write_text(f"{STAFF_HEADER}\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=f"wanted the header {PUPILS_HEADER} as the first row"):
        read_roster(tmp_path)


def test_bytes_that_are_no_utf8_are_told_with_their_line(tmp_path: Path) -> None:
    read(tmp_path)
    file = tmp_path / "pupils.csv"
    file.write_bytes(file.read_text(encoding="utf-8").encode("latin-1"))

    with pytest.raises(ConfigError, match=r"pupils\.csv:2: name: met bytes that are no UTF-8"):
        read_roster(tmp_path)


def test_a_written_roster_is_read_back_as_it_was(tmp_path: Path) -> None:
    staff = (*STAFF, teacher(staff="k7a2", name='"Ek, ""Elof"""', roles="rektor admin"))
    roster = read(tmp_path, (pupil(), pupil(pupil="p2", left="2026-01-09")), staff)

    write_roster(roster, tmp_path)

    assert read_roster(tmp_path) == roster


def test_rules_learn_neither_names_nor_addresses(tmp_path: Path) -> None:
    roster = read(tmp_path)
    now = datetime(2025, 8, 18, 6, 0, tzinfo=UTC)

    (record,) = records(roster.pupils, now)

    assert record == PupilRecord(
        school="skola-1",
        pupil="p0001",
        school_class="7A",
        work_team="Arbetslag 7",
        enrolled=date(2025, 8, 18),
        contact_teachers=("k7a1",),
        bus="linje 3",
        valid_from=date(2025, 8, 18),
        recorded_at=now,
    )
    assert "Majken" not in record.model_dump_json()


@pytest.mark.parametrize(
    ("cell", "need"),
    [
        *(("yes", True), ("true", True), ("1", True), ("TRUE", True)),
        *(("no", False), ("false", False), ("0", False), ("", False)),
    ],
)
def test_a_need_is_told_in_any_of_three_ways(tmp_path: Path, cell: str, need: bool) -> None:
    roster = read(tmp_path, (handed_over(need=cell),))

    assert roster.pupils[0].need is need


@pytest.mark.parametrize(
    ("cell", "share"),
    [("0.12", "0.12"), ("0", "0"), ("1", "1"), ("1.0", "1"), ("0.123456", "0.123456")],
)
def test_last_years_absence_is_a_share(tmp_path: Path, cell: str, share: str) -> None:
    roster = read(tmp_path, (handed_over(share=cell),))

    assert roster.pupils[0].last_year_share == Decimal(share)


def test_a_share_that_is_left_out_is_unknown_and_not_nothing(tmp_path: Path) -> None:
    roster = read(tmp_path, (handed_over(feeder_school=""),))

    assert roster.pupils[0].last_year_share is None


SHARE = "wanted a share from 0 to 1, such as 0.12 for 12 per cent, or nothing"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (handed_over(share="12"), f"last_year_share: met '12'; {SHARE}"),
        (handed_over(share="1.01"), f"last_year_share: met '1.01'; {SHARE}"),
        (handed_over(share="-0.1"), f"last_year_share: met '-0.1'; {SHARE}"),
        (handed_over(share='"0,12"'), f"last_year_share: met '0,12'; {SHARE}"),
        (handed_over(share="12 %"), f"last_year_share: met '12 %'; {SHARE}"),
        (handed_over(share="1e-1"), f"last_year_share: met 4 characters of another kind; {SHARE}"),
        (handed_over(share="NaN"), f"last_year_share: met 3 characters of another kind; {SHARE}"),
        (handed_over(share="0,12"), "columns: met 14; wanted 13: school,pupil,name"),
        (handed_over(need="ja"), "need: met 'ja'; wanted yes or no, true or false, 1 or 0, or"),
        (handed_over(need="dyslexi"), "need: met 7 characters of another kind; wanted yes or no"),
        (handed_over(need="on"), "need: met 2 characters of another kind; wanted yes or no"),
        (handed_over(feeder_school='"f\t1"'), "feeder_school: met a line break or control"),
    ],
)
def test_a_mistake_in_the_handover_is_told_with_line_and_column_and_no_name(
    tmp_path: Path, row: str, told: str
) -> None:
    (problem,) = problems(tmp_path, (handed_over().replace("p0001", "p0002"), row))

    assert problem.startswith(f"pupils.csv:3: {told}")
    assert "Majken" not in problem


def test_the_handover_has_all_its_columns_or_none(tmp_path: Path) -> None:
    read(tmp_path)
    file = tmp_path / "pupils.csv"
    file.write_text(f"{PUPILS_HEADER},need\n{pupil()},yes\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="or with feeder_school,need,last_year_share after it"):
        read_roster(tmp_path)


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ((pupil(),), PUPILS_HEADER),
        ((handed_over(feeder_school=""),), PUPILS_HEADER),
        ((handed_over("skola-f1", "yes", "0.12"),), HANDOVER_HEADER),
        ((handed_over(feeder_school="", share="0"),), HANDOVER_HEADER),
    ],
)
def test_the_handover_is_written_where_there_is_one(
    tmp_path: Path, rows: tuple[str, ...], header: str
) -> None:
    roster = read(tmp_path, rows)

    write_roster(roster, tmp_path)

    assert (tmp_path / "pupils.csv").read_text(encoding="utf-8").splitlines()[0] == header
    assert read_roster(tmp_path) == roster


def test_rules_learns_what_was_handed_over(tmp_path: Path) -> None:
    roster = read(tmp_path, (handed_over("skola-f1", "yes", "0.12"),))

    (record,) = records(roster.pupils, datetime(2025, 8, 18, 6, 0, tzinfo=UTC))

    assert (record.feeder_school, record.need) == ("skola-f1", True)
    assert record.last_year_share == Decimal("0.12")


async def test_the_roster_kept_for_messages_is_without_the_handover(
    tmp_path: Path, redis_url: str
) -> None:
    roster = read(tmp_path, (handed_over("skola-f1", "yes", "0.12"),))

    async with connected(redis_url, partitions=4) as client:
        await IngestStore(client).put_roster(SchoolRoster(school="skola-1", pupils=roster.pupils))
        kept = text(await client.hget(ROSTER, "skola-1") or b"")

    assert "skola-f1" not in kept
    assert SchoolRoster.model_validate_json(kept).pupils[0].name == "Majken Ågränd"


# ---- Whom every school needs


@pytest.mark.parametrize(
    "staff",
    [
        (teacher(), REKTOR),
        (teacher(), REKTOR, teacher(staff="eht1", roles="eht", email="", mobile="")),
        (teacher(), REKTOR, EHT.replace("skola-1,", "skola-2,")),
        # Who was reached until a newer row took the role, or the address, away.
        (teacher(), REKTOR, EHT, teacher(staff="eht1", roles="admin", valid_from="2026-01-08")),
        (
            *(teacher(), REKTOR, EHT),
            teacher(staff="eht1", roles="eht", email="", mobile="", valid_from="2026-01-08"),
        ),
    ],
)
def test_a_school_where_nobody_of_eht_can_be_reached_is_refused(
    tmp_path: Path, staff: tuple[str, ...]
) -> None:
    (problem,) = problems(tmp_path, staff=staff)

    assert problem == (
        "staff.csv:1: roles: nobody with the role eht can be reached at the school of line 2 in "
        "pupils.csv; wanted at least one, with an email or a mobile in their newest row"
    )


def test_every_school_with_pupils_needs_eht_and_rektor(tmp_path: Path) -> None:
    elsewhere = pupil(school="skola-2", pupil="p2", contact_teachers="")

    told = problems(tmp_path, (pupil(), elsewhere), (*STAFF, EHT.replace("skola-1,", "skola-3,")))

    wanted = [f"staff.csv:1: roles: nobody with the role {role}" for role in ("eht", "rektor")]
    assert [problem.partition(" can be")[0] for problem in told] == wanted
    assert all("line 3 in pupils.csv" in problem for problem in told)


def test_a_school_is_told_by_a_line_since_a_name_may_have_slipped_into_its_cell(
    tmp_path: Path,
) -> None:
    told = problems(tmp_path, (pupil(), pupil(school="Majken", contact_teachers="")))

    assert "Majken" not in "".join(told)


def test_one_adult_may_be_both_and_be_reached_from_a_later_day_on(tmp_path: Path) -> None:
    both = teacher(staff="a", roles="rektor eht", email="", valid_from="2026-01-08")

    roster = read(tmp_path, staff=(teacher(), both))

    assert len(roster.staff) == 2


def test_with_staff_that_cannot_be_read_nobody_is_told_to_be_missing(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, staff=(teacher(), REKTOR, teacher(staff="eht1", roles="ehd")))

    assert problem.startswith("staff.csv:4: roles: met 'ehd'")


# ---- Who is away


def test_absences_say_who_is_away_and_who_stands_in(tmp_path: Path) -> None:
    rows = (away(), away(from_="2025-12-01", until="2025-12-01", substitute=""))

    sick, alone = read(tmp_path, absences=rows).absences

    assert (sick.first, sick.last) == (date(2025, 10, 6), date(2025, 10, 10))
    assert (sick.staff, sick.substitute, alone.substitute) == ("k7a1", "eht1", "")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"staff": "k9z1"}, "staff: is unknown; wanted staff of the same school in staff.csv"),
        ({"staff": ""}, "staff: met nothing; wanted an identifier"),
        ({"school": "skola-2", "substitute": ""}, "staff: is unknown; wanted staff"),
        ({"substitute": "k9z1"}, "substitute: is unknown; wanted staff of the same school in"),
        ({"substitute": "k7a1"}, "substitute: is the one who is away; wanted another, or nothing"),
        ({"substitute": "Elof Ek"}, "substitute: met 7 characters of another kind; wanted an id"),
        ({"until": "2025-10-05"}, "until: met 2025-10-05; wanted a date not before from, 2025-10-"),
        ({"until": ""}, "until: met nothing; wanted a date such as 2025-08-18"),
        ({"from": "2025-02-30"}, "from: met '2025-02-30'; wanted a date"),
        ({"from": "6 oktober"}, "from: met 9 characters of another kind; wanted a date"),
        ({"substitute": "a,b"}, "columns: met 6; wanted 5: school,staff,from,until,substitute"),
    ],
)
def test_a_mistake_about_an_absence_is_told_with_line_and_column_and_no_name(
    tmp_path: Path, cells: dict[str, str], told: str
) -> None:
    rows = (away(staff="rektor"), away(**cells))

    (problem,) = problems(tmp_path, absences=rows)

    assert problem.startswith(f"absences.csv:3: {told}")
    assert not any(name in problem for name in ("Elof", "k9z1"))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("10-06", "10-10"), ("10-10", "10-12")], ["3: from: shares days with line 2;"]),
        ([("10-06", "10-10"), ("10-01", "10-31")], ["3: from: shares days with line 2;"]),
        ([("10-06", "10-10"), ("10-06", "10-10")], ["3: from: shares days with line 2;"]),
        (
            [("10-01", "10-31"), ("10-02", "10-03"), ("10-20", "10-21")],
            ["3: from: shares days with line 2;", "4: from: shares days with line 2;"],
        ),
    ],
)
def test_nobody_is_away_twice_on_one_day(
    tmp_path: Path, rows: list[tuple[str, str]], told: list[str]
) -> None:
    absences = tuple(away(from_=f"2025-{first}", until=f"2025-{last}") for first, last in rows)

    found = problems(tmp_path, absences=absences)

    assert [problem.removeprefix("absences.csv:").partition(" wanted")[0] for problem in found] == (
        told
    )


def test_days_of_two_people_and_days_after_one_another_are_no_overlap(tmp_path: Path) -> None:
    rows = (away(), away(from_="2025-10-11", until="2025-10-12"), away(staff="rektor"))

    assert len(read(tmp_path, absences=rows).absences) == 3


def test_with_staff_that_cannot_be_read_nobody_away_is_told_to_be_unknown(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, staff=(teacher(slot="fredag"),), absences=(away(),))

    assert problem.startswith("staff.csv:2: slot")


def test_absences_are_written_where_there_are_any(tmp_path: Path) -> None:
    roster = read(tmp_path, absences=(away(), away(staff="rektor", substitute="")))

    write_roster(roster, tmp_path)
    assert read_roster(tmp_path) == roster

    write_roster(roster._replace(absences=()), tmp_path)
    assert read_roster(tmp_path).absences == ()
    assert not (tmp_path / "absences.csv").exists()


# ---- Protected identity


@pytest.mark.parametrize(("cell", "said"), [("yes", True), ("1", True), ("no", False), ("", False)])
def test_a_pupils_identity_may_be_protected(tmp_path: Path, cell: str, said: bool) -> None:
    roster = read(tmp_path, (protected(cell),))

    assert roster.pupils[0].protected is said
    assert "protected" not in repr(roster.pupils[0])


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("ja", "protected: met 'ja'; wanted yes or no, true or false, 1 or 0, or nothing for no"),
        ("sekretess", "protected: met 9 characters of another kind; wanted yes or no"),
    ],
)
def test_what_is_neither_yes_nor_no_leaves_nobody_unprotected(
    tmp_path: Path, cell: str, told: str
) -> None:
    (problem,) = problems(tmp_path, (protected(cell),))

    assert problem.startswith(f"pupils.csv:2: {told}")


def test_protection_and_handover_have_columns_of_their_own(tmp_path: Path) -> None:
    read(tmp_path)
    header = f"{PUPILS_HEADER},protected,feeder_school,need,last_year_share"
    row = f"{pupil()},yes,skola-f1,,0.12"
    (tmp_path / "pupils.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")
    roster = read_roster(tmp_path)

    write_roster(roster, tmp_path)

    assert (roster.pupils[0].protected, roster.pupils[0].feeder_school) == (True, "skola-f1")
    assert (tmp_path / "pupils.csv").read_text(encoding="utf-8") == f"{header}\n{row}\n"


def test_a_column_in_another_place_is_told_with_the_header_that_is_wanted(tmp_path: Path) -> None:
    read(tmp_path)
    header = f"{HANDOVER_HEADER},protected"
    (tmp_path / "pupils.csv").write_text(f"{header}\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="valid_from,protected as the first row, or with feeder"):
        read_roster(tmp_path)


def test_protection_has_a_column_where_any_pupil_has_it(tmp_path: Path) -> None:
    roster = read(tmp_path, (protected(), protected("").replace("p0001", "p0002")))

    write_roster(roster, tmp_path)
    first, *_ = (tmp_path / "pupils.csv").read_text(encoding="utf-8").splitlines()

    assert first == f"{PUPILS_HEADER},protected"
    assert read_roster(tmp_path) == roster


def test_rules_learns_whom_to_leave_out_of_figures(tmp_path: Path) -> None:
    roster = read(tmp_path, (protected(),))

    (record,) = records(roster.pupils, datetime(2025, 8, 18, 6, 0, tzinfo=UTC))

    assert record.protected


async def test_what_telling_needs_is_kept_for_messages(tmp_path: Path, redis_url: str) -> None:
    roster = read(tmp_path, (protected(),), absences=(away(),))

    async with connected(redis_url, partitions=4) as client:
        store = IngestStore(client)
        publisher = Publisher(client, 4, "roster")
        await send_roster(store, publisher, roster, datetime(2025, 8, 18, 6, 0, tzinfo=UTC))
        kept = SchoolRoster.model_validate_json(await client.hget(ROSTER, "skola-1") or b"")

    assert kept.absences == roster.absences
    assert kept.pupils[0].protected
