"""The smoke test: the compose file builds, runs, and tells the right adults (`make smoke`).

One week at one school is played once for all tests, by the commands an operator uses.
"""

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.suite.containers import Containers, containers
from tests.suite.inbox import Inbox, free_port, inbox

pytestmark = pytest.mark.compose

ALWAYS_AWAY, AWAY_AT_FIRST = "9b-07", "9b-08"
TEACHER, EHT = "larare@skola.example", "+46701740605"
SERVICES = ("ingest", "rules", "notify")

PUPILS = f"""\
school,pupil,name,class,work_team,enrolled,left,contact_teachers,bus,valid_from
ekskolan,{ALWAYS_AWAY},Tuva Påhittad,9B,,2025-08-18,,larare-1,,2025-08-18
ekskolan,{AWAY_AT_FIRST},Love Uppdiktad,9B,,2025-08-18,,larare-1,,2025-08-18
"""
STAFF = f"""\
school,staff,name,roles,email,mobile,slot,valid_from
ekskolan,larare-1,Kim Lärare,contact_teacher,{TEACHER},,thu 15:00,2025-08-18
ekskolan,kurator-1,Robin Kurator,eht,kurator@skola.example,{EHT},,2025-08-18
ekskolan,rektor-1,Alex Rektor,rektor,rektor@skola.example,,,2025-08-18
"""
HEADER = "school,pupil,lesson,starts_at,minutes,subject,status,absent_minutes,recorded_at"


def export() -> str:
    """A week of two lessons a day: one pupil is away all of it, the other for three days."""
    rows = [HEADER]
    for day in range(1, 6):
        for pupil, away in ((ALWAYS_AWAY, 5), (AWAY_AT_FIRST, 3)):
            status = "unexcused" if day <= away else "present"
            rows += [
                f"ekskolan,{pupil},{pupil}-{day}-{hour},2025-09-0{day}T{hour}:00:00+02:00,60,"
                f"Matematik,{status},,2025-09-0{day}T16:00:00+02:00"
                for hour in (10, 11)
            ]
    return "\n".join(rows) + "\n"


@dataclass(frozen=True)
class Week:
    """What is there when the week has been played."""

    compose: Containers
    inbox: Inbox
    imported: str


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    if shutil.which("docker") is None:
        pytest.fail("the smoke test needs a Docker engine with Compose v2")
    folder = _files(tmp_path_factory.mktemp("import"))
    with inbox() as box, containers(f"narvara-smoke-{os.getpid()}", _ports(box)) as compose:
        compose.narvara("ingest", "clock", "2025-09-01T07:00:00+02:00")
        compose.narvara("ingest", "roster", "/import", folder=folder)
        imported = compose.narvara("ingest", "import", "--wait", "/import/week.csv", folder=folder)
        for reached in ("2025-09-02T17:15", "2025-09-04T15:15", "2025-09-05T17:15"):
            compose.narvara("ingest", "clock", f"{reached}:00+02:00")
        _wait_until(lambda: len(_mails(box)) >= 2 and bool(box.texts))
        yield Week(compose, box, imported)


def _files(folder: Path) -> Path:
    for name, text in (("pupils.csv", PUPILS), ("staff.csv", STAFF), ("week.csv", export())):
        (folder / name).write_text(text, encoding="utf-8")
    # The user in the image is not the one that runs the tests.
    folder.chmod(0o755)
    return folder


def _ports(box: Inbox) -> dict[str, str]:
    return {
        "NARVARA_NOTIFY_PORT": str(free_port()),
        "NARVARA_INTERNAL_TOKEN": "smoke",
        "SMOKE_SMTP_PORT": str(box.smtp_port),
        "SMOKE_SMS_PORT": str(box.sms_port),
    }


def _wait_until(come: Callable[[], bool]) -> None:
    """The tests say what is missing; here is only given up."""
    deadline = time.monotonic() + 60
    while not come() and time.monotonic() < deadline:
        time.sleep(0.2)


def _mails(box: Inbox) -> list[str]:
    return [mail for address, mail in box.mails if address == TEACHER]


def test_compose_finds_nothing_to_complain_of(week: Week) -> None:
    assert week.compose.warnings() == ""


def test_every_container_is_healthy(week: Week) -> None:
    health = {name: state["Health"] for name, state in week.compose.states().items()}

    assert health == dict.fromkeys(("redis", *SERVICES), "healthy")


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_runs_as_root_or_can_change_its_image(week: Week, service: str) -> None:
    user = week.compose("exec", "-T", service, "id", "-u").strip()
    kept = week.compose("exec", "-T", service, "sh", "-c", "touch /srv/config/x 2>&1 || echo kept")

    assert user == "10001"
    assert "kept" in kept


def test_every_row_of_the_file_is_taken(week: Week) -> None:
    assert "20 read, 20 sent, 0 refused" in week.imported
    assert "20 accepted" in week.imported


def test_the_absence_comes_out_as_steps(week: Week) -> None:
    steps = week.compose.narvara("rules", "steps", "--format", "jsonl")

    assert re.search(rf'"pupil":"{ALWAYS_AWAY}",.*"rule":"many-unexcused".*"level":3', steps)
    assert re.search(rf'"pupil":"{AWAY_AT_FIRST}",.*"rule":"repeated-unexcused".*"level":2', steps)


def test_the_contact_teacher_gets_mail_at_once_and_at_the_set_aside_time(week: Week) -> None:
    mails = _mails(week.inbox)

    assert any("Du har en ny närvarosignal som inte bör vänta." in mail for mail in mails)
    assert any("Du har nya närvarosignaler." in mail for mail in mails)


def test_the_pupil_health_team_gets_an_sms(week: Week) -> None:
    assert EHT in [address for address, _ in week.inbox.texts]


def test_no_message_says_whom_it_is_about(week: Week) -> None:
    messages = [text for _, text in week.inbox.mails + week.inbox.texts]
    words = (ALWAYS_AWAY, AWAY_AT_FIRST, "Tuva", "Påhittad", "Love", "Uppdiktad", "9B")

    told = [word for word in words for message in messages if word in message]

    assert messages
    assert told == []


def test_the_links_in_the_mails_open_pages_with_initials_and_the_strip_that_rules_has(
    week: Week,
) -> None:
    links = {link for mail in _mails(week.inbox) for link in re.findall(r'http[^\s"<]+', mail)}
    pages = ""
    for link in links:
        with httpx.Client(timeout=10, follow_redirects=True) as browser:
            page = browser.get(link)
            assert page.status_code == 200
            pages += page.text + browser.get(f"{page.url}/1").text

    assert "T.P." in pages
    assert "L.U." in pages
    assert re.search(r'<svg class="strip" role="img"', pages)
    for unsaid in (ALWAYS_AWAY, AWAY_AT_FIRST, "Påhittad", "Uppdiktad"):
        assert unsaid not in pages


def test_a_stop_ends_every_container_in_order(week: Week) -> None:
    """Here and in the next test the order of the tests counts."""
    week.compose("stop")

    ended = {name: state["ExitCode"] for name, state in week.compose.states().items()}

    assert ended == dict.fromkeys(("redis", *SERVICES), 0)


def test_a_start_after_a_stop_finds_everything_again_and_tells_nothing_twice(week: Week) -> None:
    sent = len(week.inbox.mails) + len(week.inbox.texts)

    week.compose("up", "--detach", "--wait")
    steps = week.compose.narvara("rules", "steps", "--format", "jsonl")

    assert ALWAYS_AWAY in steps
    assert len(week.inbox.mails) + len(week.inbox.texts) == sent
