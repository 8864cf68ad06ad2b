"""`narvara routes` says who would be told, how, when and why, and names nobody but by id."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from services.reasons import in_swedish
from tests.suite.processes import Suite, json_lines

PUPIL = "skola-1/p0001"
MONDAY = "2025-09-22T10:00"
JSON = ("--format", "jsonl")


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Commands on files alone."""
    return Suite("", tmp_path_factory.mktemp("offline"))


@pytest.fixture
def asked(offline: Suite, school: Path) -> "Asked":
    return Asked(offline, school.parent)


class Asked:
    """`narvara routes test` about one pupil, on a roster in files."""

    def __init__(self, suite: Suite, folder: Path) -> None:
        self._suite = suite
        self._folder = folder

    def result(self, *arguments: object, whom: str = PUPIL, at: str = MONDAY) -> Result:
        about = ("--pupil", whom, "--at", at, "--roster", self._folder)
        return self._suite.call("routes", "test", *about, *arguments)

    def found(self, *arguments: object, **about: str) -> dict[str, Any]:
        done = self.result(*arguments, *JSON, **about)
        assert done.exit_code == 0, done.stderr
        (found,) = json_lines(done.stdout)
        return found

    def refused(self, *arguments: object, **about: str) -> str:
        done = self.result(*arguments, **about)
        assert done.exit_code in {1, 2}
        assert not done.stdout
        return done.stderr


def told(found: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        (each["at"], each["recipient"], each["kind"], each["channel"]) for each in found["told"]
    ]


@pytest.mark.parametrize("at", ["9999-12-31T23:00", "0001-01-01", "2025-02-30", "soon"])
def test_a_time_that_cannot_be_gone_on_from_is_refused(asked: Asked, at: str) -> None:
    assert f"met '{at}'; wanted a " in asked.refused("--level", 2, at=at)


def test_level_1_is_shown_and_nobody_gets_a_message(asked: Asked) -> None:
    found = asked.found("--level", 1)

    assert [(each["send"], each["reason"]) for each in found["recipients"]] == [
        ("shown", "level 1 for contact_teacher")
    ]
    assert found["told"] == found["untold"] == []


def test_level_2_waits_for_the_contact_teachers_own_list(asked: Asked) -> None:
    found = asked.found("--level", 2)
    (teacher,) = found["recipients"]

    assert found["rule"] == "repeated-unexcused"  # the first that has the level
    assert (teacher["send"], list(teacher["channels"])) == ("digest", ["email", "sms"])
    ((when, recipient, kind, channel),) = told(found)
    assert (recipient, kind, channel) == (teacher["recipient"], "digest", "email")
    assert when[11:16] == teacher["slot"].partition(" ")[2]


def test_level_4_goes_at_once_to_eht_and_rektor(asked: Asked) -> None:
    found = asked.found("--level", 4, "--rule", "high-absence")

    assert {(when, channel) for when, _, _, channel in told(found)} == {
        ("2025-09-22T10:00+02:00", "sms"),
        ("2025-09-22T10:00+02:00", "email"),
    }
    assert {who for _, who, _, _ in told(found)} == {
        each["recipient"] for each in found["recipients"]
    }


def test_the_lines_that_the_file_proposes_tell_of_unexcused_absence_a_day_later(
    asked: Asked, offline: Suite
) -> None:
    file = offline.config / "routing.yaml"
    delivered = file.read_text(encoding="utf-8")
    lines = delivered.splitlines()
    proposed = [line[1:] for line in lines if line.startswith("#  - {rules: [many-unexcused]")]
    about = ("--level", 3, "--rule", "many-unexcused")
    try:
        file.write_text("\n".join([*lines[:-2], *proposed, *lines[-2:]]), encoding="utf-8")
        found = asked.found(*about, at="2025-09-19T09:00")
        shown = asked.result(*about, at="2025-09-19T09:00").stdout
    finally:
        file.write_text(delivered, encoding="utf-8")

    assert {each["waits"] for each in found["recipients"]} == {"held until 2025-09-22"}
    assert {(when, kind) for when, _, kind, _ in told(found)} == {
        ("2025-09-22T17:00+02:00", "immediate")
    }
    assert "först sedan det stått i en skoldag" in shown


def test_at_night_before_a_day_off_it_says_what_it_waits_for(asked: Asked) -> None:
    found = asked.found("--level", 4, at="2025-10-24T18:30")  # the autumn break begins

    assert {each["waits"] for each in found["recipients"]} == {"quiet hours"}
    assert {when for when, _, _, _ in told(found)} == {"2025-11-03T07:00+01:00"}
    assert all(each["items"][0]["waited"] == ["quiet hours", "a day off"] for each in found["told"])


def test_one_who_is_away_is_named_by_id_with_who_stands_in(
    asked: Asked, school: Path, offline: Suite
) -> None:
    (teacher,) = asked.found("--level", 2)["recipients"]
    folder = offline.folder / "away"
    folder.mkdir()
    for name in ("pupils.csv", "staff.csv"):
        (folder / name).write_bytes((school.parent / name).read_bytes())
    who = teacher["recipient"]
    (folder / "absences.csv").write_text(
        f"school,staff,from,until,substitute\nskola-1,{who},2025-09-22,2025-09-26,\n"
    )

    found = Asked(offline, folder).found("--level", 2)

    assert found["away"] == {who: ""}
    reasons = {each["reason"] for each in found["recipients"]}
    assert reasons == {"level 2 for contact_teacher: away, and nobody stands in; to EHT"}


def test_it_is_told_in_swedish_and_without_names_or_addresses(asked: Asked, school: Path) -> None:
    shown = asked.result("--level", 3, at="2025-09-22T20:00").stdout

    assert shown.startswith(f"{PUPIL} · Omfattande ogiltig frånvaro (many-unexcused), nivå 3")
    assert "väntar nu: tyst tid" in shown
    assert "tis 2025-09-23 07:00" in shown
    assert_no_names(shown, school.parent)


def assert_no_names(text: str, folder: Path) -> None:
    assert "@" not in text
    assert "+46" not in text
    for file in ("pupils.csv", "staff.csv"):
        for line in (folder / file).read_text(encoding="utf-8").splitlines()[1:]:
            assert line.split(",")[2] not in text


@pytest.mark.parametrize(
    ("arguments", "about", "said"),
    [
        (("--level", 2), {"whom": "p0001"}, "wanted a school and a pupil"),
        (("--level", 2), {"whom": "skola-9/p0001"}, "the roster is of skola-1"),
        (("--level", 2), {"whom": "skola-1/p9999"}, "it has 60 of skola-1"),
        (("--level", 2, "--rule", "no-such"), {}, "wanted one of unexcused-lesson"),
        (("--level", 3, "--rule", "scattered-absence"), {}, "scattered-absence has 1, 2"),
        (("--level", 5), {}, "5 is not in the range"),
        (("--level", 2), {"at": "yesterday"}, "wanted a time such as 2025-09-11T16:00"),
    ],
)
def test_what_is_met_and_what_is_wanted_is_said(
    asked: Asked, arguments: tuple[object, ...], about: dict[str, str], said: str
) -> None:
    assert said in asked.refused(*arguments, **about)


def test_the_servers_roster_is_asked_when_none_is_given(suite: Suite, school: Path) -> None:
    assert suite.run("roster", school.parent, clock="simulated").returncode == 0
    about = ("--pupil", PUPIL, "--level", 2)

    (found,) = suite.told("routes", "test", *about, "--at", MONDAY)
    without_time = suite.run("routes", "test", *about)

    assert len(told(found)) == 1
    assert without_time.returncode == 1
    assert "wanted --at" in without_time.stderr


# Rehearsed


@pytest.fixture(scope="module")
def rehearsed(offline: Suite, school: Path) -> list[dict[str, Any]]:
    return offline.told("routes", "rehearse", school, "--roster", school.parent, "--answers", 0.8)


def test_a_rehearsal_ends_with_what_there_was_in_all(rehearsed: list[dict[str, Any]]) -> None:
    *happened, summary = rehearsed
    kinds = [each["type"] for each in happened]

    assert summary["type"] == "summary"
    assert set(kinds) == {"told", "answered", "untold"}
    assert summary["messages"] == kinds.count("told")
    assert summary["kinds"]["digest"] > 0


def test_every_reason_is_known_in_swedish(rehearsed: list[dict[str, Any]]) -> None:
    items = [item for each in rehearsed if each["type"] == "told" for item in each["items"]]
    reasons = {item["reason"] for item in items}
    reasons |= {why for item in items for why in item["waited"]}

    assert len(reasons) > 4
    for reason in reasons:
        assert not {"level", "for", "the", "to", "until", "is"} & set(in_swedish(reason).split())


def test_a_rehearsal_is_told_in_swedish_by_ids_alone(offline: Suite, school: Path) -> None:
    done = offline.run("routes", "rehearse", school, "--roster", school.parent)

    assert done.returncode == 0, done.stderr
    assert "Sammanfattning" in done.stdout
    assert "kontaktläraren" in done.stdout
    assert_no_names(done.stdout, school.parent)


def test_rows_that_cannot_be_read_are_told_and_left_out(
    offline: Suite, school: Path, tmp_path: Path
) -> None:
    lines = school.read_text(encoding="utf-8").splitlines()[:500]
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join([*lines, "skola-1,p0001,oops"]), encoding="utf-8")

    done = offline.run("routes", "rehearse", bad, "--roster", school.parent)

    assert done.returncode == 1
    assert "1 of 500 rows were refused" in done.stderr


@pytest.mark.parametrize(
    ("reason", "swedish"),
    [
        ("level 2 for contact_teacher: the pupil has none; to EHT",
         "nivå 2 för kontaktläraren: eleven har ingen; därför till EHT"),
        ("level 4, protected identity", "nivå 4 för handläggaren av skyddad identitet"),
        ("level 1, protected identity: no handler can be reached",
         "nivå 1 för handläggaren av skyddad identitet: ingen handläggare kan nås"),
        ("level 1 for eht: good news waits for a digest; still there after the answer",
         "nivå 1 för EHT: goda nyheter väntar till listan; står kvar efter svaret"),
        ("silenced until 2025-10-06: the bus; and the ferry",
         "tystad till 2025-10-06: the bus; and the ferry"),
        ("held while class-outbreak stood for the pupil's class",
         "vilar medan många i klassen är borta"),
        ("something new", "something new"),
    ],
)  # fmt: skip
def test_reasons_have_swedish_words(reason: str, swedish: str) -> None:
    assert in_swedish(reason) == swedish
