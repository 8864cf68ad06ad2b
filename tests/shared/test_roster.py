"""Who is told on a day: the newest row of each, and whoever stands in."""

from datetime import date

import pytest
from pydantic import ValidationError

from shared.roster import Absence, Roster, RosterPupil, StaffMember

MONDAY, FRIDAY = date(2025, 10, 6), date(2025, 10, 10)
BEFORE, AFTER = date(2025, 10, 5), date(2025, 10, 11)


def away(staff: str, substitute: str = "", first: date = MONDAY, last: date = FRIDAY) -> Absence:
    return Absence(school="s", staff=staff, first=first, last=last, substitute=substitute)


def stands_in(*absences: Absence, on: date = MONDAY) -> str:
    return Roster(school="s", absences=absences).stands_in("a", on)


def test_one_who_is_there_is_told() -> None:
    assert stands_in() == "a"
    assert stands_in(away("b", "a")) == "a"


@pytest.mark.parametrize(
    ("on", "told"), [(BEFORE, "a"), (MONDAY, "b"), (FRIDAY, "b"), (AFTER, "a")]
)
def test_a_substitute_is_told_from_the_first_day_to_the_last(on: date, told: str) -> None:
    assert stands_in(away("a", "b"), on=on) == told


def test_without_a_substitute_nobody_is_told() -> None:
    assert stands_in(away("a")) == ""


def test_a_substitute_who_is_away_has_one_too() -> None:
    assert stands_in(away("a", "b"), away("b", "c")) == "c"
    assert stands_in(away("a", "b"), away("b")) == ""
    assert stands_in(away("a", "b"), away("b", "c", first=FRIDAY)) == "b"


def test_nobody_stands_in_for_themselves_in_the_end() -> None:
    assert stands_in(away("a", "b"), away("b", "a")) == ""


def test_of_two_absences_the_one_of_the_day_counts() -> None:
    earlier, later = away("a", "b", last=MONDAY), away("a", "c", first=FRIDAY)

    assert stands_in(earlier, later) == "b"
    assert stands_in(earlier, later, on=FRIDAY) == "c"


def test_an_absence_is_written_with_the_files_words() -> None:
    absence = away("a", "b")

    written = absence.model_dump_json(by_alias=True)

    assert '"from":"2025-10-06","until":"2025-10-10"' in written
    assert Absence.model_validate_json(written) == absence


@pytest.mark.parametrize("substitute", ["two words", "a/b", "x" * 129])
def test_a_substitute_is_an_identifier_or_nobody(substitute: str) -> None:
    with pytest.raises(ValidationError):
        away("a", substitute)


def test_the_newest_row_that_is_valid_counts() -> None:
    first = StaffMember(school="s", staff="a", roles=("eht",), valid_from=MONDAY)
    later = first.model_copy(update={"roles": ("rektor",), "valid_from": FRIDAY})
    roster = Roster(school="s", staff=(first, later))

    assert roster.member("a", BEFORE) is None
    assert roster.with_role("eht", MONDAY) == (first,)
    assert roster.with_role("eht", FRIDAY) == ()
    assert roster.with_role("rektor", FRIDAY) == (later,)


def test_that_an_identity_is_protected_is_not_shown() -> None:
    pupil = RosterPupil(school="s", pupil="p", protected=True, valid_from=MONDAY)

    assert "protected" not in repr(pupil)


def test_a_copy_with_other_rows_knows_those_rows() -> None:
    first = RosterPupil(school="s", pupil="p", valid_from=date(2025, 8, 1), bus="811")
    roster = Roster(school="s", pupils=(first,))
    before = roster.pupil("p", date(2025, 9, 1))
    other = roster.model_copy(update={"pupils": (first.model_copy(update={"bus": "812"}),)})

    after = other.pupil("p", date(2025, 9, 1))

    assert before is not None
    assert after is not None
    assert (before.bus, after.bus) == ("811", "812")
