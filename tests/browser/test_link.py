"""From the mail to the answer, in a real browser, under the pages' real policy."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from shared.events import FACT, CaseAnswer
from shared.streams import BODY, attendance, partition_of
from tests.browser.world import DESKTOP, PHONE, World, world
from tests.suite.processes import wait_until

TEACHER, SUBSTITUTE = "larare@skola.example", "larare-2@skola.example"
TALKED_WITH, FORGOTTEN = "9b-07", "9b-08"

PUPILS = f"""\
school,pupil,name,class,work_team,enrolled,left,contact_teachers,bus,valid_from
ekskolan,{TALKED_WITH},Tuva Påhittad,9B,,2025-08-18,,larare-1,,2025-08-18
ekskolan,{FORGOTTEN},Love Uppdiktad,9B,,2025-08-18,,larare-1,,2025-08-18
"""
STAFF = f"""\
school,staff,name,roles,email,mobile,slot,valid_from
ekskolan,larare-1,Kim Lärare,contact_teacher,{TEACHER},+46701740605,thu 15:00,2025-08-18
ekskolan,larare-2,Noa Lärare,contact_teacher,{SUBSTITUTE},+46701740606,thu 15:00,2025-08-18
ekskolan,kurator-1,Robin Kurator,eht,kurator@skola.example,+46701740607,,2025-08-18
ekskolan,rektor-1,Alex Rektor,rektor,rektor@skola.example,+46701740608,,2025-08-18
"""
HEADER = "school,pupil,lesson,starts_at,minutes,subject,status,absent_minutes,recorded_at"

SKIPPED = range(1, 4)
"""Days of September on which both pupils skip all lessons; from the fourth on they are there."""


def registrations() -> str:
    rows = [HEADER]
    for day in (*range(1, 6), *range(8, 13), *range(15, 20)):
        for pupil in (TALKED_WITH, FORGOTTEN):
            status = "unexcused" if day in SKIPPED else "present"
            rows += [
                f"ekskolan,{pupil},{pupil}-{day}-{hour},2025-09-{day:02}T{hour}:00:00+02:00,60,"
                f"Matematik,{status},,2025-09-{day:02}T16:00:00+02:00"
                for hour in (10, 11)
            ]
    return "\n".join(rows) + "\n"


def moment(day: int, clock: str = "17:15", month: int = 9) -> datetime:
    return datetime.fromisoformat(f"2025-{month:02}-{day:02}T{clock}:00+02:00")


@pytest.fixture
def told(redis_url: str, tmp_path: Path) -> Iterator[World]:
    """The digest has gone out: two pupils, by one link."""
    files = {"pupils": PUPILS, "staff": STAFF, "registrations": registrations()}
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    with world(redis_url, tmp_path / "suite") as made:
        made.open(moment(1, "07:00"))
        made.call("roster", tmp_path)
        made.call("import", "--wait", tmp_path / "registrations.csv")
        made.until(moment(4, "15:15"))
        yield made


@pytest.fixture
def policy() -> list[str]:
    """What browsers complained of: a breach of the Content-Security-Policy among it."""
    return []


def watched(context: BrowserContext, policy: list[str]) -> Page:
    page = context.new_page()
    page.on("console", lambda message: policy.append(message.text))
    page.on("pageerror", lambda error: policy.append(str(error)))
    return page


def answers(world: World) -> list[CaseAnswer]:
    """What rules hears, each on its pupil's partition."""
    facts = []
    for partition in world.suite.partitions:
        stream: Any = world.client.xrange(attendance(partition))
        for _, fields in stream:
            fact = FACT.validate_json(fields[BODY])
            if isinstance(fact, CaseAnswer):
                of = partition_of(fact.school, fact.pupil, len(world.suite.partitions))
                assert partition == of
                facts.append(fact)
    return facts


@pytest.mark.server
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_whoever_answers_by_the_link_in_the_mail_is_not_reminded(
    told: World, browser: Browser, policy: list[str], size: tuple[int, int]
) -> None:
    (link,) = set(told.links(TEACHER))
    with told.visit(browser, size) as context:
        page = watched(context, policy)
        page.goto(link)
        initials = page.locator("h2.who").all_inner_texts()
        kept = page.url
        page.get_by_role("link", name="Öppna T.P.").click()
        # Two taps: which answer, and that it is meant.
        page.get_by_text("Jag har pratat med eleven").click()
        page.locator("details[open] button").click()
        thanks = page.get_by_role("status").inner_text()
        page.get_by_text("Ärendets historia").click()
        history = page.locator("ol.history").inner_text()
        with told.visit(browser, size) as other:
            foreign = watched(other, [])
            strangers = foreign.goto(kept)
            assert strangers is not None

    wait_until(lambda: bool(answers(told)), "rules has the answer")
    told.settle()
    before = len(told.mail.raw)
    # The clock of the one that nobody answered runs out after three school days.
    told.until(moment(9))
    told.until(moment(10, "09:00"))
    reminded = [text_about(told, number) for number in range(before, len(told.mail.raw))]

    assert sorted(initials) == ["L.U.", "T.P."]
    assert "/m/" not in kept
    assert "sparat" in thanks
    assert "Jag har pratat med eleven" in history
    assert strangers.status == 404
    assert [answer.pupil for answer in answers(told)] == [TALKED_WITH]
    assert policy == []
    assert reminded, "the pupil whom nobody answered is reminded of"
    with told.visit(browser, size) as context:
        page = watched(context, policy)
        page.goto(told.links(TEACHER)[-1])
        assert page.locator("h2.who").all_inner_texts() == ["L.U."]


def text_about(world: World, number: int) -> str:
    part = world.mail.mails[number].get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.mark.server
def test_a_scanner_that_opens_every_link_first_changes_nothing_for_the_reader(
    told: World, browser: Browser, policy: list[str]
) -> None:
    (link,) = set(told.links(TEACHER))
    before = everything(told)
    for method in ("GET", "HEAD", "GET"):
        with told.visit(browser, DESKTOP, extra_http_headers={"User-Agent": "scanner"}) as context:
            opened = context.request.fetch(link, method=method)
            assert opened.status == 200
            for page in re.findall(r'href="(/s/[^"]+)"', opened.text()):
                assert context.request.get(page).status == 200
    after = everything(told)
    with told.visit(browser, PHONE) as context:
        page = watched(context, policy)
        page.goto(link)
        assert page.locator("h2.who").count() == 2

    assert after == before
    assert answers(told) == []
    assert policy == []


def everything(world: World) -> dict[bytes, Any]:
    """All that the server holds but what says that processes live."""
    client: Any = world.client
    read = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda name: client.zrange(name, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    names = sorted(client.scan_iter())
    return {name: read[client.type(name)](name) for name in names if b"lease" not in name}


@pytest.mark.server
def test_a_link_that_has_expired_sends_a_fresh_one_to_the_same_address(
    told: World, browser: Browser, policy: list[str]
) -> None:
    (link,) = set(told.links(TEACHER))
    told.until(moment(6, "09:00", month=10))
    before = len(told.links(TEACHER))
    with told.visit(browser, PHONE) as context:
        page = context.new_page()
        gone = page.goto(link)
        assert gone is not None
        title = page.title()
        page.get_by_role("button", name="Skicka en ny länk").click()
        page.wait_for_load_state()
        page.get_by_text("på väg").first.wait_for()
        wait_until(lambda: len(told.links(TEACHER)) > before, "a fresh link comes")
        fresh = told.links(TEACHER)[-1]
        opened = watched(context, policy).goto(fresh)
        assert opened is not None

    assert (gone.status, title) == (410, "Länken har gått ut · NärVara")
    assert fresh != link
    assert opened.status == 200
    assert policy == []


@pytest.mark.server
def test_tampered_and_replayed_links_get_a_clear_page_and_a_line_in_the_log(
    told: World, browser: Browser
) -> None:
    (link,) = set(told.links(TEACHER))
    assert told.notify is not None
    with told.visit(browser, DESKTOP) as context:
        page = context.new_page()
        tampered = page.goto(link[:-1] + ("A" if link[-1] != "A" else "B"))
        assert tampered is not None
        words = page.locator("h1").inner_text()
        page.goto(link)
        page.get_by_role("link", name="Öppna T.P.").click()
        form = page.locator("form").first
        action = str(form.get_attribute("action"))
        csrf = str(form.locator("[name=csrf]").get_attribute("value"))
        posted: dict[str, str | float | bool] = {"csrf": csrf, "answer": "talked"}
        first = context.request.post(action, form=posted)
        again = context.request.post(action, form=posted)
        forged = context.request.post(action, form=posted | {"csrf": "0" * 32})
        with told.visit(browser, DESKTOP) as other:
            stolen = other.request.post(action, form=posted)

    wait_until(lambda: bool(answers(told)), "rules has the answer")
    told.settle()
    assert (tampered.status, words) == (404, "Länken öppnar ingenting")
    assert (first.status, again.status) == (200, 200)
    assert (forged.status, stolen.status) == (404, 404)
    assert len(answers(told)) == 1
    refused = [line for line in told.notify.lines() if line.get("event") == "link refused"]
    assert len(refused) == 3
    token = link.rpartition("/")[2]
    assert token not in told.notify.log.read_text(encoding="utf-8")
