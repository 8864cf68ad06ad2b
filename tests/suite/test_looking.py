"""What rules shows of a pupil for a page is what is folded by then, however often it is asked."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import msgspec

from shared.events import Status
from shared.picture import PATH, Looked, Picture, Wanted
from tests.suite.processes import Service, Suite

TOKEN = "of-this-test"
SCHOOL = "skola-1"


def looked(rules: Service, pupil: str) -> Picture:
    """A pupil, looked at twice, as by whoever reloads a page."""
    address = f"http://127.0.0.1:{rules.port}{PATH}"
    wanted = msgspec.json.encode(Wanted(SCHOOL, [pupil]))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    first, again = (httpx.post(address, content=wanted, headers=headers) for _ in range(2))
    assert first.raise_for_status().content == again.content
    return msgspec.json.decode(first.content, type=Looked).pictures[pupil]


def newest(picture: Picture) -> Status:
    """The status of the strip's last lesson."""
    return [lesson for day in picture.days for lesson in day.lessons][-1].status


def test_what_is_corrected_is_shown_at_the_next_look(
    suite: Suite, school: Path, tmp_path: Path
) -> None:
    # No ingest: it would close today as well, if this runs at the hour of the close.
    (rules,) = suite.start("rules", internal_token=TOKEN)
    suite.run("roster", school.parent)
    suite.told("import", school, "--history", "--wait")
    suite.wait_until_folded()
    with school.open(encoding="utf-8", newline="") as file:
        last = max(csv.DictReader(file), key=lambda row: (row["starts_at"], row["pupil"]))
    later = datetime.fromisoformat(last["recorded_at"]) + timedelta(days=3)
    corrected = tmp_path / "corrected.csv"
    with corrected.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, last)
        rows.writeheader()
        status = "present" if last["status"] == "excused" else "excused"
        missed = "0" if status == "present" else last["minutes"]
        change = {"status": status, "absent_minutes": missed, "recorded_at": later.isoformat()}
        rows.writerow(last | change)
    assert newest(looked(rules, last["pupil"])) == Status(last["status"])

    suite.told("import", corrected)
    suite.wait_until_folded()

    shown = looked(rules, last["pupil"])
    rules.stop()
    (rules,) = suite.start("rules", internal_token=TOKEN)
    assert newest(shown) == Status(status)
    assert shown == looked(rules, last["pupil"]), "figures too are those of what is known now"
