"""`narvara check` names the line of what can't be used, can't be kept or can't happen."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import narvara
from services.workbench import problems_in
from tests.suite.processes import CONFIG

GOOD = """\
handover:
  title: {sv: Överlämning, en: Handover}
  examples:
    - {strip: "pp*5 ee*2", need: true, level: 1}
rules:
  - id: unbroken
    title: {sv: Sammanhängande frånvaro, en: Unbroken absence}
    levels:
      1: {indicator: absent_run, at_least: 3}
      2: {indicator: absent_run, at_least: 5}
    examples:
      - {strip: "pp*5 ee*3", level: 1}
      - {strip: "pp*5 ee*5", level: 2}
  - id: lates
    enabled: false
    title: {sv: Sena ankomster, en: Late arrivals}
    levels: {1: {indicator: lates, days: 10, at_least: 4}}
    examples:
      - {strip: "ll*2", level: 1}
schools:
  skola-1:
    rules:
      - id: unbroken
        levels: {2: {indicator: absent_run, at_least: 4}}
        examples: [{strip: "pp*5 ee*4", level: 2}]
"""


@dataclass
class Folder:
    """A config folder."""

    path: Path

    def of(self, file: str, right: str, wrong: str) -> tuple[int, list[str]]:
        """Exit code and what is said of another file with `wrong` for `right`."""
        path = self.path / file
        text = path.read_text(encoding="utf-8")
        assert text.count(right) == 1
        path.write_text(text.replace(right, wrong), encoding="utf-8")
        done = CliRunner().invoke(narvara, ["check", str(self.path)])
        told = [line for line in done.stdout.splitlines() if line.startswith(str(path))]
        return done.exit_code, [line.partition(": ")[2] for line in told]

    def check(self, right: str = "", wrong: str = "") -> tuple[int, list[str]]:
        """Exit code and what is said of the rulebook with `wrong` for `right`, from its line on."""
        assert not right or GOOD.count(right) == 1
        file = self.path / "rulebook.yaml"
        file.write_text(GOOD.replace(right, wrong) if right else GOOD, encoding="utf-8")
        done = CliRunner().invoke(narvara, ["check", str(self.path)])
        told = [line for line in done.stdout.splitlines() if line.startswith(str(file))]
        return done.exit_code, [line.removeprefix(f"{file}:").strip() for line in told]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    shutil.copytree(CONFIG, tmp_path / "config")
    return Folder(tmp_path / "config")


def test_the_deployed_files_are_good() -> None:
    done = CliRunner().invoke(narvara, ["check", str(CONFIG)])

    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"{CONFIG / file}: good" for file in ("calendar.yaml", "rulebook.yaml", "routing.yaml")
    ]


def test_a_rulebook_that_keeps_its_examples_is_good(folder: Folder) -> None:
    assert folder.check() == (0, ["good"])


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        pytest.param(
            '"pp*5 ee*5", level: 2',
            '"pp*5 ee*4", level: 2',
            "13: unbroken.examples.1: expected level 2, the finding stands at 1",
            id="of a rule",
        ),
        pytest.param(
            '"ll*2", level: 1',
            '"ll*2", level: 0',
            "19: lates.examples.0: expected level 0, the finding stands at 1",
            id="of a disabled rule",
        ),
        pytest.param(
            "need: true, level: 1",
            "level: 1",
            "4: handover.examples.0: expected level 1, the highest finding stands at 0",
            id="of the handover",
        ),
        pytest.param(
            '"pp*5 ee*4", level: 2',
            '"pp*5 ee*3", level: 2',
            "25: schools.skola-1.unbroken.examples.0: expected level 2, the finding stands at 1",
            id="of a school's own rule",
        ),
        pytest.param(
            '"pp*5 ee*3"',
            '"pp*5 xx*3"',
            "12: unbroken.examples.0: met 'xx*3'; wanted a day of one to 8 lessons",
            id="that can't be read",
        ),
    ],
)
def test_a_broken_example_is_a_problem_at_its_line(
    folder: Folder, right: str, wrong: str, said: str
) -> None:
    code, (told,) = folder.check(right, wrong)

    assert code == 1
    assert told.startswith(said)


def test_a_level_that_a_higher_one_hides_is_a_problem_at_its_line(folder: Folder) -> None:
    code, told = folder.check("absent_run, at_least: 5", "absent_run, at_least: 2")

    assert code == 1
    assert told[-1].startswith(
        "9: unbroken.levels.1: can never be the level that holds: whenever it holds, level 2 does"
    )


def test_a_level_that_only_a_schools_change_hides_is_told_at_the_school(folder: Folder) -> None:
    code, told = folder.check("absent_run, at_least: 4", "absent_run, at_least: 3")

    assert code == 1
    (line,) = told
    assert line.startswith("21: schools.skola-1.unbroken.levels.1: can never be the level")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "2: {indicator: absent_run, at_least: 5}",
            (
                "2: {indicator: absent_run, at_least: 5}\n"
                "      3: {indicator: unexcused_days, days: 10, at_least: 11}"
            ),
            (
                "11: warning: unbroken.levels.3: can never hold: "
                "unexcused_days over 10 days is at most 10, and 11 is wanted"
            ),
        ),
        (
            "schools:",
            (
                "  - id: well\n"
                "    title: {sv: Bra, en: Well}\n"
                "    levels: {1: {indicator: absence_share, days: 20, at_most: 0.1}}\n"
                "schools:"
            ),
            "20: warning: well: always fires: level 1 holds for a pupil never away",
        ),
    ],
)
def test_what_is_only_odd_is_a_warning_and_leaves_the_exit_code(
    folder: Folder, right: str, wrong: str, said: str
) -> None:
    code, told = folder.check(right, wrong)

    assert code == 0
    assert told == [said, "good"]


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        (
            "routing.yaml",
            "rules: [first-day-back]",
            "rules: [first-day-bak]",
            "routes.0.rules.0: no rule is called 'first-day-bak'; did you mean first-day-back?",
        ),
        (
            "routing.yaml",
            "silences: []",
            "silences: [{rules: [late-arrivals, snow], until: 2025-10-06, reason: snow}]",
            "silences.0.rules.1: no rule is called 'snow'; leave it out",
        ),
        (
            "calendar.yaml",
            "first: 2025-10-27, last: 2025-10-31",
            "first: 2026-10-27, last: 2026-10-31",
            (
                "school_years.0.days_off.0: lies outside its school year, "
                "2025-08-18 to 2026-06-12; mend the dates"
            ),
        ),
        (
            "calendar.yaml",
            "# bus_delays:",
            "bus_delays: [{date: 2025-10-28, before: '09:30'}]",
            "bus_delays.0.date: 2025-10-28 is no school day; mend the date",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning(
    folder: Folder, file: str, right: str, wrong: str, said: str
) -> None:
    assert folder.of(file, right, wrong) == (0, [f"warning: {said}", "good"])


def test_a_rule_that_one_school_alone_has_may_be_routed(folder: Folder) -> None:
    own = (
        (folder.path / "rulebook.yaml")
        .read_text("utf-8")
        .replace(
            "rules:\n",
            "schools:\n  skola-1:\n    rules:\n"
            "      - id: snow\n        title: {sv: Snö, en: Snow}\n"
            "        levels: {1: {indicator: lates, days: 10, at_least: 4}}\nrules:\n",
            1,
        )
    )
    (folder.path / "rulebook.yaml").write_text(own, "utf-8")

    assert folder.of("routing.yaml", "rules: [first-day-back]", "rules: [snow]") == (0, ["good"])


def test_a_file_of_the_wrong_form_is_told_alone(folder: Folder) -> None:
    code, told = folder.check("absent_run, at_least: 5", "absent_run, at_most: x")

    assert code == 1
    assert all(line.startswith("10: rules.0.levels.2") for line in told)


def test_what_starts_a_service_asks_for_the_form_alone(folder: Folder) -> None:
    code, _ = folder.check('"ll*2", level: 1', '"ll*2", level: 0')

    assert code == 1
    assert problems_in(folder.path) == []
