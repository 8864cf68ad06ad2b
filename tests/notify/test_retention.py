"""How long what notify writes is kept, and the purge that takes the rest away."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from redis.asyncio import Redis

from services.notify.access_log import AccessLog
from services.notify.cli import purge
from services.notify.desk import Desk
from services.notify.office import Memory
from services.notify.purging import PURGE, Purging
from services.notify.retention import TABLES, Past
from services.notify.routing import Retention, Routing
from services.notify.rows import (
    Correction,
    Decision,
    Delivery,
    Fate,
    Happened,
    Investigation,
    Note,
    Page,
    Reached,
    Recipient,
    Refused,
    Row,
    Signal,
    Table,
    Taken,
)
from services.notify.standing import fold
from services.notify.store import LEASE, Store
from shared.broker import make_client
from shared.events import StepKind
from shared.lease import Lease
from tests.notify.examples import CALENDAR, EHT, PUPIL, SCHOOL, at, reached, step

OLD = date(2025, 9, 10)
RECIPIENT = Recipient(SCHOOL, EHT)


def rows_of(day: date, opened: str = "gone", pupil: str = "elev-9") -> dict[Table, tuple[str, Row]]:
    """A row of every table that ages, all of one day."""
    moment, milliseconds = at(day), int(datetime.combine(day, at(day).time()).timestamp() * 1000)
    decision = Decision(SCHOOL, pupil, "Möte", "kt-1", day, moment, EHT, done=day)
    return {
        "signals": (opened, Signal(SCHOOL, pupil, "", "high-absence", 2, day, {}, {})),
        "fates": (opened, Fate(StepKind.CLEARED, 0, day)),
        "ledger": (f"{opened} {RECIPIENT} email", Delivery("m", "digest", moment)),
        "history": (f"{SCHOOL}/{pupil} x", Happened("told", moment, day, "m", EHT)),
        "investigations": ("i", Investigation(SCHOOL, pupil, day, EHT, ended=day)),
        "notes": ("n", Note(SCHOOL, pupil, EHT, moment, "Ringde hem")),
        "decisions": ("d", decision),
        "messages": ("p", Page("digest", RECIPIENT, moment, ())),
        "taken": ("s1", Taken("m", day)),
        "quarantine": ("q", Refused("case-steps:{0}", f"{milliseconds}-0", "json", "x")),
    }


def days_of(table: Table) -> int:
    days = getattr(Retention(), TABLES[table].by)
    assert isinstance(days, int)
    return days


def test_every_table_that_ages_is_tried_here_but_dropped_letters() -> None:
    assert set(TABLES) == {*rows_of(OLD), "dropped"}


@pytest.mark.parametrize("table", [*rows_of(OLD)])
def test_a_row_is_kept_on_its_last_day_and_past_its_time_on_the_next(table: Table) -> None:
    name, row = rows_of(OLD)[table]
    last = OLD + timedelta(days_of(table))

    assert not Past(Desk(), Retention(), last).has(table, name, row)
    assert Past(Desk(), Retention(), last + timedelta(1)).has(table, name, row)


@pytest.mark.parametrize("table", [*rows_of(OLD)])
def test_a_period_without_end_never_ends(table: Table) -> None:
    name, row = rows_of(OLD)[table]
    for_ever = Retention.model_validate({TABLES[table].by: None})

    assert not Past(Desk(), for_ever, OLD + timedelta(36_500)).has(table, name, row)


def test_what_still_stands_is_kept_however_old() -> None:
    desk = Desk()
    opened = step(step_id="stands")
    fold(desk, 0, opened, CALENDAR)
    past = Past(desk, Retention(), OLD + timedelta(5000))

    for table, (name, row) in rows_of(OLD, "stands", PUPIL).items():
        stands = table in {"signals", "fates", "ledger", "history", "notes", "decisions"}
        assert past.has(table, name, row) is not stands, table


def test_what_is_still_to_be_done_or_told_is_kept_too() -> None:
    desk = Desk()
    correction = Correction(
        *(RECIPIENT, "f", f"{SCHOOL}/elev-9", "o", "s", "shown", 2, OLD, at(OLD)), channels=("sms",)
    )
    desk.put("corrections", correction.key, correction)
    past = Past(desk, Retention(), OLD + timedelta(5000))
    open_decision: Any = rows_of(OLD)["decisions"][1]
    owed: Any = rows_of(OLD)["investigations"][1]

    assert not past.has("decisions", "d", open_decision.but(done=None))
    assert not past.has("investigations", "i", owed.but(owed=("huvudman",)))
    assert not past.has("investigations", "i", owed.but(ended=None))
    assert not past.has("signals", "shown", rows_of(OLD)["signals"][1])


class _Office:
    """What the purge asks of the office."""

    def routing(self) -> Routing:
        return Routing()

    def calendar(self) -> Any:
        return CALENDAR


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = make_client(redis_url)
    yield client
    await client.aclose()


async def a_memory(client: Redis, today: date) -> tuple[Memory, Purging]:
    """With old rows and rows of today, on the server."""
    lease = Lease(client, LEASE, 60)
    await lease.acquire()
    store, desk = Store(client, lease), Desk()
    for number, day in enumerate([OLD] * 3 + [today]):
        for table, (name, row) in rows_of(day).items():
            desk.put(table, f"{name}{number}", row)
    desk.put("reached", "0", Reached(reached(today).at))
    await store.write(desk.take_changes())
    memory = Memory(store, desk, asyncio.Event())
    office: Any = _Office()
    return memory, Purging(memory, office, AccessLog(client))


async def left(store: Store) -> dict[Table, int]:
    counts: dict[Table, int] = {}
    for table in TABLES:
        async for rows in store.slices(table):
            counts[table] = counts.get(table, 0) + len(rows)
    return counts


async def test_the_purge_takes_what_is_past_its_time_once_a_day_and_leaves_the_rest(
    client: Redis,
) -> None:
    today = OLD + timedelta(1000)
    memory, purging = await a_memory(client, today)

    found = await purging.purge()

    assert {
        table: each.due for table, each in found.items() if table != "dropped"
    } == dict.fromkeys(rows_of(OLD), 3)
    assert await left(memory.store) == {**dict.fromkeys(rows_of(OLD), 1), "dropped": 0}
    assert await purging.purge() == {}
    assert (await purging.purge(asked=True))["signals"].rows == 1


async def test_a_dry_run_says_what_would_go_and_changes_nothing(
    client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = OLD + timedelta(1000)
    memory, _ = await a_memory(client, today)
    before = await left(memory.store)
    monkeypatch.setenv("NARVARA_REDIS_URL", redis_url)

    result = await asyncio.to_thread(
        CliRunner().invoke, purge, ["--dry-run", "--format", "jsonl"], catch_exceptions=False
    )

    said = {row["table"]: row for row in map(json.loads, result.output.splitlines())}
    assert (said["notes"]["rows"], said["notes"]["due"]) == (4, 3)
    assert (said["notes"]["oldest"], said["notes"]["days"]) == ("2025-09-10", 365)
    assert await left(memory.store) == before
    text = await asyncio.to_thread(CliRunner().invoke, purge, ["--dry-run"], catch_exceptions=False)
    assert "3 due (notes: 365 days)" in text.output


async def test_asked_for_by_command_the_purge_is_left_word_for(
    client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, _ = await a_memory(client, OLD)
    monkeypatch.setenv("NARVARA_REDIS_URL", redis_url)

    result = await asyncio.to_thread(CliRunner().invoke, purge, [], catch_exceptions=False)

    assert "asked for" in result.output
    assert {*await memory.store.asked()} == {PURGE}
