"""The process dies at every effect it can die at: every message is seen, and none twice by another.

A message is seen once more only when its gateway had taken it and the process came not to write
that, and then under the same Message-ID. Nothing else may differ from a life without a death.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from services.notify import sender
from services.notify.delivery import SENT, Outcome, no_answer
from services.notify.rows import Table
from shared.broker import Entry, make_client
from tests.notify.examples import (
    OTHER_PUPIL,
    THURSDAY,
    WEDNESDAY,
    at,
    reached,
    roster,
    step,
    unit_step,
)
from tests.notify.lives import (
    MUCH_LATER,
    CrashError,
    Death,
    Life,
    Outside,
    entries,
    rows,
    set_roster,
    start,
)

NEXT_THURSDAY, THURSDAY_AFTER = date(2025, 9, 18), date(2025, 9, 25)
EHT_MOBILE = "+46700000002"
LIVES = 200
"""More than any seed needs."""


def a_week() -> list[Sequence[Entry]]:
    """What comes between two quarter-hours, as far as it has come by then."""
    contact_teacher = ("contact_teacher",)
    all_of_it = entries(
        reached(WEDNESDAY, "16:45"),
        step(level=3, step_id="told-and-corrected"),
        step(rule="late-arrivals", step_id="in-the-digest"),
        step(rule="better", step_id="good-news", good_news=True, pupil=OTHER_PUPIL),
        unit_step(step_id="of-a-class"),
        step(level=3, pupil=OTHER_PUPIL, step_id="rises", audience=contact_teacher),
        reached(WEDNESDAY, "17:00"),
        step("retracted", level=3, remaining=0, step_id="corrects"),
        reached(WEDNESDAY, "17:15"),
        reached(WEDNESDAY, "17:30"),
        reached(THURSDAY, "15:00"),
        step("retracted", rule="late-arrivals", remaining=0, step_id="corrects-the-digest"),
        step("raised", level=4, pupil=OTHER_PUPIL, as_of=THURSDAY, step_id="risen"),
        reached(THURSDAY, "17:00"),
        *(reached(THURSDAY, clock) for clock in ("17:15", "17:30")),
        *(reached(NEXT_THURSDAY, clock) for clock in ("15:00", "15:15")),
        reached(THURSDAY_AFTER, "15:00"),
    )
    ends = [n for n, each in enumerate(all_of_it, 1) if b"time_reached" in (each.body or b"")]
    return [all_of_it[:end] for end in ends]


@dataclass(frozen=True)
class Seen:
    """What became of the week, as recipients, rules and the ledger know it."""

    messages: Counter[tuple[str, str]]
    """How often each came: address and Message-ID."""
    ledger: frozenset[str]
    told: frozenset[bytes]
    """What rules heard."""


def always() -> bool:
    return True


async def lives(client: Redis, outside: Outside, waits: Callable[[], bool] = always) -> Seen:
    """One life after another until the week is over and nothing is left to be sent.

    `waits`: does the next quarter-hour come only after all that is to be tried again was?
    """
    await client.flushdb()
    await set_roster(client, roster())
    for _ in range(LIVES):
        try:
            await _live(await start(client, outside), outside, client, waits)
            break
        except* CrashError:
            outside.now += MUCH_LATER
    else:
        pytest.fail(f"no end in sight after {LIVES} lives")
    tables: tuple[Table, ...] = ("outbox", "said", "corrections", "dead-letters")
    for table in tables:
        assert await rows(client, table) == {}, table
    stream: Any = await client.xrange("attendance:{0}")
    return Seen(
        Counter(zip(outside.addresses, (each.id for each in outside.taken), strict=True)),
        frozenset(await rows(client, "ledger")),
        frozenset(fields[b"json"] for _, fields in stream),
    )


async def _live(life: Life, outside: Outside, client: Redis, waits: Callable[[], bool]) -> None:
    week = a_week()
    for number, part in enumerate(week):
        await life.reader.fold(0, part)
        await life.send_all()
        while (number > len(week) - 4 or waits()) and await rows(client, "outbox"):
            outside.now += MUCH_LATER
            await life.send_all()


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = make_client(redis_url)
    yield client
    await client.aclose()


def assert_repeated_only_where_in_doubt(outside: Outside) -> None:
    copies = Counter(each.id for each in outside.taken)
    assert {name: number - 1 for name, number in copies.items() if number > 1} == {
        name: number for name, number in outside.in_doubt.items() if number
    }
    for message in outside.taken:
        same = [each for each in outside.taken if each.id == message.id]
        assert all(each == message for each in same)


def assert_corrected_after_it_was_told(outside: Outside) -> None:
    to_eht = [
        message
        for address, message in zip(outside.addresses, outside.taken, strict=True)
        if address == EHT_MOBILE
    ]
    corrects = [
        "rättats" in each.sms
        for each in to_eht
        if "rättats" in each.sms or each.made == at(WEDNESDAY, "17:00")
    ]
    assert corrects == sorted(corrects), "a correction came before what it corrects"
    assert not corrects or corrects[-1], "what was told was not corrected"


async def test_a_death_at_any_effect_loses_nothing_and_repeats_only_what_was_in_doubt(
    client: Redis,
) -> None:
    calm = Outside()
    undisturbed = await lives(client, calm)
    deaths: list[tuple[int, Death]] = [
        (number, when) for number in range(1, calm.effects + 1) for when in ("before", "after")
    ]
    repeated = 0
    for number, when in deaths:
        outside = Outside(partial(_dies_at, number, when))
        seen = await lives(client, outside)

        assert_repeated_only_where_in_doubt(outside)
        assert set(seen.messages) == set(undisturbed.messages)
        assert (seen.ledger, seen.told) == (undisturbed.ledger, undisturbed.told)
        repeated += len(outside.taken) - len(calm.taken)

    assert set(undisturbed.messages.values()) == {1}
    assert len(undisturbed.messages) == 6
    assert repeated > 0


def _dies_at(number: int, when: Death, effect: int) -> Death:
    return when if effect == number else ""


async def _many_deaths(client: Redis, seed: int) -> int:
    """Deaths and faults of the gateway at random; returns how often a message came again."""
    random = Random(seed)

    def dies(_: int) -> Death:
        deaths: tuple[Death, ...] = ("", "before", "after")
        return random.choices(deaths, (8, 1, 1))[0]

    outside = Outside(dies)
    outcomes = (SENT, Outcome("transient", "busy"), no_answer(TimeoutError()))
    outside.next = list(random.choices(outcomes, (6, 2, 2), k=30))
    seen = await lives(client, outside, lambda: random.random() < 0.5)

    assert_repeated_only_where_in_doubt(outside)
    assert_corrected_after_it_was_told(outside)
    told = {line.partition(" ")[0] for line in seen.ledger}
    assert told >= {"good-news", "of-a-class", "rises", "risen"}
    assert ("told-and-corrected" in told) is ("corrects" in told)
    assert ("in-the-digest" in told) is ("corrects-the-digest" in told)
    return len(outside.taken) - len(seen.messages)


@pytest.mark.parametrize("seed", range(8))
async def test_many_deaths_and_a_gateway_that_fails_lose_nothing(client: Redis, seed: int) -> None:
    await _many_deaths(client, seed)


@pytest.mark.long
async def test_five_hundred_lives_full_of_deaths_lose_nothing(client: Redis) -> None:
    assert sum([await _many_deaths(client, 1000 + seed) for seed in range(500)]) > 0


async def test_without_the_ledger_messages_come_again_and_that_is_seen(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "record", lambda *_: None)
    outside = Outside()

    life = await start(client, outside)
    await set_roster(client, roster())
    for part in a_week()[:2]:
        await life.reader.fold(0, part)
    for _ in range(3):
        outside.now += MUCH_LATER
        await life.send_all()

    with pytest.raises(AssertionError):
        assert_repeated_only_where_in_doubt(outside)
