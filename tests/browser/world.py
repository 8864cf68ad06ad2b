"""A school that staff visit by browser: every service as a process, a mail server, SMS."""

import csv
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from redis import Redis

from services.ingest.config_files import read_calendar
from services.notify.store import key
from shared import streams
from shared.calendar import SchoolCalendar
from tests.notify.gateways import MailServer, SmsGateway, mail_server, sms_gateway
from tests.suite.processes import Service, Suite, simulated, wait_until

PHONE, DESKTOP = (390, 844), (1280, 900)

HISTORY_DAYS = 55
"""School days of the simulated school before it goes live."""


def executable() -> str | None:
    """A Chromium of the machine; it isn't fetched, so that a test run stays small."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without a sandbox of its own: as root, and in containers, it has none.
        browser = playwright.chromium.launch(
            executable_path=executable(), args=["--no-sandbox", "--lang=sv-SE"]
        )
        yield browser
        browser.close()


@dataclass
class World:
    """A running suite, and what has come out of it."""

    suite: Suite
    client: Redis
    mail: MailServer
    sms: SmsGateway
    notify: Service | None = None

    @property
    def url(self) -> str:
        assert self.notify is not None
        return f"http://127.0.0.1:{self.notify.port}"

    def open(self, first: datetime) -> None:
        """Start the services, and begin school time."""
        self.suite.environment |= {
            "NARVARA_CLOCK": "simulated",
            "NARVARA_INTERNAL_TOKEN": "of-this-test",
            "NARVARA_CONTACT": "it@skola.example",
            "NARVARA_OIDC_ISSUER": "https://inlogg.skola.example",
            "NARVARA_OIDC_CLIENT_ID": "narvara",
            "NARVARA_SMTP_HOST": "127.0.0.1",
            "NARVARA_SMTP_PORT": str(self.mail.port),
            "NARVARA_SMTP_TLS": "none",
            "NARVARA_MAIL_FROM": "narvara@skola.example",
            "NARVARA_ELKS_URL": self.sms.url,
            "NARVARA_ELKS_USERNAME": "user",
            "NARVARA_ELKS_PASSWORD": "secret",
        }
        rules = self.suite.begin("rules")
        url = f"http://127.0.0.1:{rules.port}"
        begun = [self.suite.begin("ingest"), self.suite.begin("notify", rules_urls=url), rules]
        self.notify = begun[1]
        for each in begun:
            each.wait_until_ready()
        self.call("clock", first)

    def call(self, *command: object) -> None:
        # Of its own thread, since Playwright keeps an event loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(self.suite.call, *command).result()
        assert done.exit_code == 0, done.output

    def until(self, moment: datetime) -> None:
        """School time passes, and all that follows from it has happened."""
        self.call("clock", moment)
        self.settle()

    def settle(self) -> None:
        """Everything that was sent is folded, read and told."""
        self.suite.wait_until_folded()
        wait_until(self._all_is_told, "notify has told all")

    def _all_is_told(self) -> bool:
        for partition in self.suite.partitions:
            info: Any = self.client.xinfo_stream(streams.case_steps(partition))
            position = self.client.get(f"position:{{notify}}:{partition}")
            if position != info["last-generated-id"]:
                return False
        return not self.client.hlen(key("outbox"))

    def links(self, address: str) -> list[str]:
        """In the mails to an address, the oldest first."""
        found = []
        for to, mail in zip(self.mail.recipients, self.mail.mails, strict=True):
            part = mail.get_body(("plain",))
            assert part is not None
            if to == address:
                found += re.findall(r"http\S+/m/[\w-]+", part.get_content())
        return found

    def visit(self, browser: Browser, size: tuple[int, int], **wiring: Any) -> BrowserContext:
        """A browser of somebody of their own."""
        width, height = size
        wiring = {"locale": "sv-SE", "base_url": self.url, **wiring}
        return browser.new_context(viewport={"width": width, "height": height}, **wiring)

    def sign_on(self, page: Page, email: str) -> None:
        """By a code to the mobile."""
        before = len(self.sms.forms)
        page.goto("/login")
        page.locator("#email").fill(email)
        page.locator("form.card button").click()
        wait_until(lambda: len(self.sms.forms) > before, "a code comes")
        (code,) = re.findall(r"\b\d{6}\b", self.sms.forms[-1]["message"])
        page.locator("#code").fill(code)
        page.locator("form.card button").click()
        page.wait_for_load_state()


@contextmanager
def world(redis_url: str, folder: Path) -> Iterator[World]:
    with mail_server() as mail, sms_gateway() as sms, Redis.from_url(redis_url) as client:
        suite = Suite(redis_url, folder)
        try:
            yield World(suite, client, mail, sms)
        finally:
            suite.end()


@contextmanager
def simulated_world(
    redis_url: str, folder: Path, *, pupils: int, live_days: int
) -> Iterator[World]:
    """A simulated school: an autumn as history, then some days that are lived and told of."""
    with world(redis_url, folder / "suite") as made:
        events = simulated(folder / "school", pupils=pupils, days=HISTORY_DAYS + live_days)
        calendar = read_calendar(made.suite.config)
        days = calendar.school_days
        live, last = days[HISTORY_DAYS], days[HISTORY_DAYS + live_days - 1]
        past, rest = _split(events, live)
        made.open(_at(days[0], 6, calendar))
        made.call("roster", events.parent)
        made.call("import", past, "--history", "--wait")
        made.until(_at(live, 6, calendar))
        made.call("golive", "skola-1")
        made.call("import", rest, "--wait")
        for day in calendar.between(live, last):
            made.until(_at(day, 8, calendar))
            made.until(_at(day, 17, calendar))
        made.until(_at(last, 18, calendar))
        yield made


def _at(day: date, hour: int, calendar: SchoolCalendar) -> datetime:
    return datetime.combine(day, time(hour), calendar.zone)


def _split(events: Path, live: date) -> tuple[Path, Path]:
    """What was recorded before a day, and from it on."""
    past, rest = events.with_name("past.csv"), events.with_name("rest.csv")
    with (
        events.open(encoding="utf-8", newline="") as read,
        past.open("w", encoding="utf-8", newline="") as before,
        rest.open("w", encoding="utf-8", newline="") as after,
    ):
        rows = csv.reader(read)
        header = next(rows)
        recorded = header.index("recorded_at")
        written = csv.writer(before), csv.writer(after)
        for each in written:
            each.writerow(header)
        for row in rows:
            written[row[recorded][:10] >= live.isoformat()].writerow(row)
    return past, rest
