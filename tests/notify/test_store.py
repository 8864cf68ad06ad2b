"""What is written is read back the same, in few writes, and the outbox never as a whole."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from services.notify.delivery import Outcome
from services.notify.desk import Desk
from services.notify.rows import (
    IN_MEMORY,
    Answer,
    Asked,
    Attempt,
    Brake,
    Case,
    Correction,
    DeadLetter,
    Decision,
    Delivery,
    Fate,
    Finding,
    Happened,
    Investigation,
    Item,
    Key,
    Live,
    Note,
    Outbreak,
    Outgoing,
    Page,
    Reached,
    Recipient,
    Refused,
    Row,
    Said,
    Shown,
    Signal,
    Spent,
    Table,
    Taken,
    Telling,
    Texted,
    Unreachable,
    Volume,
)
from services.notify.sender import AT_ONCE
from services.notify.store import LEASE, Store
from shared.broker import make_client
from shared.events import StepKind
from shared.lease import Lease
from tests.notify.examples import (
    EHT,
    FRIDAY,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    WEDNESDAY,
    at,
    member,
    pupil,
    reached,
    roster,
    step,
)
from tests.notify.lives import Outside, entries, rows, set_roster, start

TELLING = Telling(
    3,
    THURSDAY,
    "eht",
    ("sms", "email"),
    at_once=True,
    trying="a message",
    before=Telling(2, WEDNESDAY, "eht", ("email",)),
)
FINDING = Finding(
    SCHOOL,
    PUPIL,
    "class/8B",
    "high-absence",
    3,
    WEDNESDAY,
    opened="s-1",
    steps=("s-1", "s-2"),
    shows="s-2",
    as_of=THURSDAY,
    came=at(THURSDAY),
    first=at(WEDNESDAY),
    audience=("eht", "rektor"),
    good_news=True,
    shadow=True,
    history=True,
    held_until=FRIDAY,
    told={f"{SCHOOL}/{EHT}": TELLING},
    on_way={f"{SCHOOL}/{TEACHER}": "a message"},
)
CORRECTION = Correction(
    Recipient(SCHOOL, EHT),
    FINDING.key,
    FINDING.about,
    opened="s-1",
    step="s-3",
    shows="s-2",
    level=3,
    since=WEDNESDAY,
    came=at(THURSDAY),
    channels=("sms",),
    good_news=True,
    at_once=True,
    on_way="a message",
)
ITEM = Item(
    FINDING.key,
    FINDING.about,
    "s-1",
    ("s-1", "s-2"),
    "s-2",
    3,
    WEDNESDAY,
    reason="level 3 for eht; handed over",
    audience="eht",
    good_news=True,
    correction=True,
    again=True,
    handed_over=True,
    beyond_cap=True,
    before=TELLING,
)
OUTGOING = Outgoing(
    "a message",
    "immediate",
    Recipient(SCHOOL),
    ("sms", "email"),
    (ITEM,),
    token="secret",
    made=at(THURSDAY),
    break_quiet=True,
    due=1757602800.125,
    attempts=2,
    in_doubt=True,
    failed={"sms": "HTTP 400"},
)
ANSWER = Answer("known_cause", TEACHER, at(THURSDAY), until=FRIDAY, note="n-1")
SHOWN = Shown("s-2", "s-1", correction=True, again=True, handed_over=True, beyond_cap=True)
ROWS: list[tuple[Table, Row]] = [
    ("findings", FINDING),
    ("outbreaks", Outbreak(SCHOOL, "class/8B", "outbreak", ("high-absence",), WEDNESDAY)),
    (
        "cases",
        Case(SCHOOL, PUPIL, (ANSWER,), FRIDAY, known_until=FRIDAY, lifted=True, taken=True),
    ),
    ("corrections", CORRECTION),
    ("live", Live(at(WEDNESDAY), released=at(THURSDAY))),
    ("reached", Reached(at(THURSDAY, "15:15"))),
    ("said", Said(SCHOOL, PUPIL, '{"type":"case_told"}')),
    ("outbox", OUTGOING),
    (
        "signals",
        Signal(
            *(SCHOOL, PUPIL, "class/8B", "high-absence", 3, WEDNESDAY),
            title={"sv": "Hög total frånvaro", "en": "High total absence"},
            words={"sv": "Borta 16,3 %", "en": "Away 16.3%"},
            good_news=True,
        ),
    ),
    ("messages", Page("digest", Recipient(SCHOOL, TEACHER), at(THURSDAY), (SHOWN,))),
    ("fates", Fate(StepKind.RETRACTED, 2, FRIDAY)),
    ("ledger", Delivery("a message", "digest", at(THURSDAY))),
    ("dead-letters", DeadLetter(OUTGOING, "sms: HTTP 400", at(FRIDAY))),
    ("dropped", DeadLetter(OUTGOING, "sms: HTTP 400", at(FRIDAY), dropped="told by phone")),
    ("asked", Asked("drop", "told by phone")),
    ("notes", Note(SCHOOL, PUPIL, "kt-1", at(FRIDAY), "Ringde hem", for_eht=True)),
    ("volume", Volume({"15": 22, "17": 3})),
    ("brake", Brake(at(FRIDAY), at(THURSDAY), 60, released=True)),
    ("attempts", Attempt(OUTGOING.id, "0a1b", 1_800_000_000.25)),
    ("taken", Taken(OUTGOING.id, FRIDAY)),
    ("texted", Texted("0a1b", at(FRIDAY))),
    ("spent", Spent(3, FRIDAY)),
    (
        "decisions",
        Decision(
            *(SCHOOL, PUPIL, "Möte med hemmet", TEACHER, FRIDAY, at(THURSDAY), "eht-1"), done=FRIDAY
        ),
    ),
    (
        "investigations",
        Investigation(
            *(SCHOOL, PUPIL, WEDNESDAY, "rektor-1"),
            needed=True,
            why="x",
            ended=FRIDAY,
            owed=("home_municipality",),
            made={"huvudman": THURSDAY},
        ),
    ),
    ("unreachable", Unreachable(FRIDAY, "SMTP 550 5.1.1 at RCPT")),
    ("quarantine", Refused("case-steps:{0}", "1-0", "json_invalid", "{å")),
]
INNER = (Telling, Answer, Item, Shown, Happened)
"""Rows that stand in others only, or under keys of their own."""


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = make_client(redis_url)
    yield client
    await client.aclose()


async def a_store(client: Redis) -> Store:
    lease = Lease(client, LEASE, 60)
    await lease.acquire()
    return Store(client, lease)


async def test_a_pupils_history_is_read_in_the_order_in_which_it_happened(client: Redis) -> None:
    signal = Happened(
        *("signal", at(WEDNESDAY), WEDNESDAY, "s-1"),
        kind=StepKind.OPENED,
        level=3,
        rule="high-absence",
        title={"sv": "Hög total frånvaro", "en": "High total absence"},
        words={"sv": "Borta 16,3 %", "en": "Away 16.3%"},
        good_news=True,
        corrected=True,
    )
    told = Happened("told", at(THURSDAY), THURSDAY, "a message", "kt-1", channel="sms")
    answer = Happened("answer", at(FRIDAY), FRIDAY, "booked", "kt-1", until=FRIDAY, note="n-1")
    store, desk = await a_store(client), Desk()
    for line in (answer, told, signal, told):
        desk.happened(SCHOOL, PUPIL, line)
    desk.happened(SCHOOL, "", signal)
    await store.write(desk.take_changes())

    assert await store.history(f"{SCHOOL}/{PUPIL}") == [signal, told, answer]
    assert await store.history(f"{SCHOOL}/") == []


async def test_what_an_imported_autumn_found_all_at_once_is_read_day_by_day(client: Redis) -> None:
    imported = at(FRIDAY)
    lines = [
        Happened("signal", imported, day, name, kind=StepKind.OPENED, level=2)
        for name, day in (("a", FRIDAY), ("b", WEDNESDAY), ("c", THURSDAY))
    ]
    store, desk = await a_store(client), Desk()
    for line in lines:
        desk.happened(SCHOOL, PUPIL, line)
    await store.write(desk.take_changes())

    read = await store.history(f"{SCHOOL}/{PUPIL}")

    assert [each.on for each in read] == [WEDNESDAY, THURSDAY, FRIDAY]


def test_there_is_an_example_of_every_row() -> None:
    assert {type(row) for _, row in ROWS} | set(INNER) == set(Row.__subclasses__())


@pytest.mark.parametrize(("table", "row"), ROWS, ids=[table for table, _ in ROWS])
async def test_a_row_is_read_back_as_it_was_written(client: Redis, table: Table, row: Row) -> None:
    store, desk = await a_store(client), Desk()
    desk.put(table, "some key å", row)
    await store.write(desk.take_changes())

    read = (await rows(client, table))["some key å"]

    assert msgspec.json.decode(read, type=type(row)) == row
    if table in IN_MEMORY:
        assert getattr(await store.load(), table) == {"some key å": row}


async def test_what_is_dropped_is_gone_and_due_no_more(client: Redis) -> None:
    store, desk = await a_store(client), Desk()
    name: Key = OUTGOING.id
    desk.put("outbox", name, OUTGOING)
    await store.write(desk.take_changes())
    due = await store.due(OUTGOING.due, 10)
    desk.drop("outbox", name)
    await store.write(desk.take_changes())

    assert due == [name]
    assert await store.due(OUTGOING.due, 10) == []
    assert await store.outgoing([name]) == []


async def test_of_many_due_messages_some_are_read_urgent_ones_first(client: Redis) -> None:
    store, desk = await a_store(client), Desk()
    for number in range(100):
        for kind in ("digest", "immediate"):
            row = {"id": f"{kind} {number:02}", "kind": kind, "due": float(number)}
            message = OUTGOING.but(**row, break_quiet=False)
            desk.put("outbox", message.id, message)
    await store.write(desk.take_changes())

    urgent, all_kinds = await store.due(1000, 3), await store.due(98, 101)

    assert urgent == ["immediate 00", "immediate 01", "immediate 02"]
    assert all_kinds[99:] == ["digest 00", "digest 01"]
    assert await store.counts() == (200, 0)


async def test_in_quiet_hours_only_corrections_and_what_may_break_them_are_read(
    client: Redis,
) -> None:
    store, desk = await a_store(client), Desk()
    for kind in ("digest", "immediate", "correction", "storm"):
        desk.put("outbox", kind, OUTGOING.but(id=kind, kind=kind, break_quiet=False))
    desk.put("outbox", "urgent", OUTGOING.but(id="urgent", kind="immediate", break_quiet=True))
    await store.write(desk.take_changes())

    quiet = await store.due(OUTGOING.due, 10, quiet=True)

    assert sorted(quiet) == ["correction", "storm", "urgent"]
    assert len(await store.due(OUTGOING.due, 10)) == 5


MANY = 3 * AT_ONCE


async def _due(client: Redis) -> Outside:
    """Many contact teachers have a digest each that is due."""
    teachers = [member(f"kt-{n}", "contact_teacher") for n in range(MANY)]
    pupils = [pupil(f"elev-{n}", f"kt-{n}") for n in range(MANY)]
    await set_roster(client, roster(*teachers, *pupils))
    outside = Outside()
    life = await start(client, outside)
    steps = [step(pupil=f"elev-{n}") for n in range(MANY)]
    slot = reached(THURSDAY, "15:00")
    await life.reader.fold(0, entries(reached(WEDNESDAY), *steps, slot))
    return outside


async def test_messages_are_marked_and_settled_many_in_a_write(client: Redis) -> None:
    outside = await _due(client)
    life = await start(client, outside)
    outside.next = [Outcome("transient", "busy")] * 5

    while await life.sender.send_due():
        pass

    assert len(outside.taken) == MANY - 5
    assert life.store.writes == 2 * MANY / AT_ONCE


async def test_what_rules_is_to_hear_of_many_messages_is_crossed_out_in_one_write(
    client: Redis,
) -> None:
    life = await start(client, await _due(client))
    await life.sender.send_due()
    before = life.store.writes

    said = await life.sender.say()

    assert said == MANY
    assert life.store.writes == before + 1


async def test_the_outbox_is_never_read_as_a_whole(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = await start(client, await _due(client))
    asked: list[int] = []
    outgoing = life.store.outgoing

    async def counted(ids: list[str]) -> list[Outgoing]:
        asked.append(len(ids))
        return await outgoing(ids)

    monkeypatch.setattr(life.store, "outgoing", counted)
    await life.send_all()

    assert [each for each in asked if each] == [AT_ONCE] * 3
    assert "outbox" not in IN_MEMORY
