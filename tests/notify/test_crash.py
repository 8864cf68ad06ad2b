"""What a crash may do: repeat one message once, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import pytest
from redis.asyncio import Redis

from services.notify.delivery import Outcome, no_answer
from services.notify.message import Composed
from services.notify.office import MemorySpoiltError
from services.notify.routing import Routing
from services.notify.rows import Asked
from services.notify.standing import fold
from services.notify.store import LEASE, WrittenBeforeError
from shared.broker import Entry, ServerBehindError, make_client
from shared.lease import LeaseLostError
from shared.refusals import TooManyRefusedError
from shared.streams import BODY, case_steps
from tests.notify.examples import (
    CALENDAR,
    EHT,
    FRIDAY,
    OTHER_PUPIL,
    THURSDAY,
    WEDNESDAY,
    member,
    pupil,
    reached,
    roster,
    step,
    unit_step,
)
from tests.notify.lives import (
    MUCH_LATER,
    RETRY,
    CrashError,
    Outside,
    ask,
    entries,
    letters,
    rows,
    set_roster,
    start,
)

TIME = reached(WEDNESDAY)
SLOT = reached(THURSDAY, "15:00")
AFTER = reached(WEDNESDAY, "17:15")
REFUSED = Outcome("permanent", "refused")
NOT_OUT = no_answer(ConnectionRefusedError(), reached=False)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = make_client(redis_url)
    await set_roster(client, roster())
    yield client
    await client.aclose()


async def everything(client: Redis) -> dict[str, Any]:
    """All rows that folding and telling write, apart from tokens, which are new in each life."""
    tables: tuple[Any, ...] = (
        *("findings", "outbreaks", "cases", "corrections", "reached", "signals", "fates"),
        *("messages", "ledger", "said"),
    )
    return {table: await rows(client, table) for table in tables}


async def test_entries_that_are_read_again_change_nothing(client: Redis) -> None:
    batch = entries(TIME, step(level=3), step(pupil=OTHER_PUPIL), SLOT)
    life = await start(client, Outside())
    await life.reader.fold(0, batch)
    before, outbox = await everything(client), await rows(client, "outbox")

    await life.reader.fold(0, batch)
    again = await start(client, Outside())
    await again.reader.fold(0, batch)

    assert await everything(client) == before
    assert await rows(client, "outbox") == outbox
    assert len(outbox) == 2


async def test_a_batch_is_written_whole_or_not_at_all(client: Redis) -> None:
    life = await start(client, Outside())
    await client.set(LEASE, "another")

    with pytest.raises(LeaseLostError):
        await life.reader.fold(0, entries(TIME, step(level=3)))

    assert not any((await everything(client)).values())
    assert await rows(client, "outbox") == {}
    assert await client.get("position:{notify}:0") is None


async def test_a_memory_that_may_be_wrong_is_used_no_more(client: Redis) -> None:
    life = await start(client, Outside())
    await client.set("position:{notify}:0", "9-0")

    with pytest.raises(WrittenBeforeError):
        await life.reader.fold(0, entries(TIME, step(level=3)))
    with pytest.raises(MemorySpoiltError):
        await life.reader.fold(0, entries(TIME))


async def test_a_server_that_lost_writes_is_noticed(client: Redis) -> None:
    life = await start(client, Outside())
    batch = entries(TIME, step(level=3))
    for entry in batch:
        fields: Any = {BODY: entry.body or b""}
        await client.xadd(case_steps(0), fields, id=entry.id)
    await life.reader.fold(0, batch)
    await life.reader.check_server()

    held = await client.get("position:{notify}:0")
    await client.set("position:{notify}:0", "1-0")
    with pytest.raises(ServerBehindError):
        await life.reader.check_server()
    await client.set("position:{notify}:0", held or "")
    await client.xdel(case_steps(0), batch[-1].id)
    with pytest.raises(ServerBehindError):
        await life.reader.check_server()


async def test_when_most_entries_can_not_be_read_reading_stops(client: Redis) -> None:
    life = await start(client, Outside())
    broken = [Entry(f"{number}-0", b"{%d" % number) for number in range(1, 600)]

    with pytest.raises(TooManyRefusedError, match=r"501 of 501 entries of case-steps:\{0\}"):
        await life.reader.fold(0, broken)


async def test_while_many_findings_are_looked_at_the_loop_goes_on(client: Redis) -> None:
    life = await start(client, Outside())
    await life.reader.fold(0, entries(TIME))
    steps = [step(pupil=f"elev-{number}", level=2) for number in range(3000)]
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    async with life.memory.alone() as desk:
        for each in steps:
            fold(desk, 0, each, CALENDAR)
    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    before = ticks
    (last,) = entries(SLOT)
    async with life.memory.alone():
        pass
    await life.reader.fold(0, [Entry("9-0", last.body)])
    ticking.cancel()

    assert ticks - before > 20


async def test_a_crash_after_sending_repeats_the_message_once_with_the_same_id(
    client: Redis,
) -> None:
    outside = Outside()
    outside.next = [CrashError()]
    life = await start(client, outside)
    await life.reader.fold(0, entries(TIME, step(level=3)))
    with pytest.raises(CrashError):
        await life.send_all()

    outside.now += 1
    await (await start(client, outside)).send_all()
    sent_too_soon = len(outside.taken)
    outside.now += RETRY
    await (await start(client, outside)).send_all()
    outside.now += MUCH_LATER
    await (await start(client, outside)).send_all()

    assert sent_too_soon == 1
    assert len(outside.taken) == 2
    assert outside.taken[0] == outside.taken[1]


async def test_what_may_be_out_is_repeated_as_it_was_and_its_correction_follows(
    client: Redis,
) -> None:
    outside = Outside()
    outside.next = [CrashError()]
    batch = entries(
        *(TIME, step(level=3), AFTER, step("retracted", level=3, remaining=0)),
        *(reached(WEDNESDAY, "17:30"), reached(WEDNESDAY, "17:45")),
    )
    life = await start(client, outside)
    await life.reader.fold(0, batch[:3])
    with pytest.raises(CrashError):
        await life.send_all()

    again = await start(client, outside)
    await again.reader.fold(0, batch[:5])
    await again.send_all()
    told_before_the_repeat = len(outside.taken)
    outside.now += RETRY
    await again.send_all()
    await again.reader.fold(0, batch)
    await again.send_all()

    assert told_before_the_repeat == 1
    first, second, correction = outside.taken
    assert first == second
    assert ["rättats" in each.sms for each in (first, correction)] == [False, True]
    assert await rows(client, "corrections") == {}


async def test_a_correction_that_comes_while_a_message_is_on_its_way_is_told(
    client: Redis,
) -> None:
    outside = Outside()
    life = await start(client, outside)
    batch = entries(
        *(TIME, step(level=3, step_id="s"), AFTER, step("retracted", level=3, remaining=0)),
        *(reached(WEDNESDAY, "17:30"), reached(WEDNESDAY, "17:45")),
    )
    await life.reader.fold(0, batch[:3])
    send = outside.send

    async def slowly(address: str, message: Composed) -> Outcome:
        if not outside.taken:
            await life.reader.fold(0, batch[:5])
        return await send(address, message)

    outside.send = slowly  # type: ignore[method-assign]
    await life.send_all()
    await life.reader.fold(0, batch)
    await life.send_all()

    assert ["rättats" in each.sms for each in outside.taken] == [False, True]
    assert "s skola-1/eht-1 sms" in await rows(client, "ledger")
    assert await rows(client, "outbox") == {}


async def test_a_correction_that_comes_while_a_message_fails_for_certain_is_not_told(
    client: Redis,
) -> None:
    outside = Outside()
    life = await start(client, outside)
    batch = entries(TIME, step(level=3), AFTER, step("retracted", level=3, remaining=2))
    await life.reader.fold(0, batch[:3])

    async def slowly(address: str, message: Composed) -> Outcome:
        await life.reader.fold(0, batch)
        return NOT_OUT

    outside.send = slowly  # type: ignore[method-assign]
    await life.sender.send_due()

    assert await rows(client, "corrections") == {}


async def test_a_message_that_is_known_not_to_be_out_needs_no_correction(client: Redis) -> None:
    outside = Outside()
    outside.next = [NOT_OUT]
    life = await start(client, outside)
    batch = entries(TIME, step(level=3), AFTER, step("retracted", level=3, remaining=0))
    await life.reader.fold(0, batch[:3])
    await life.send_all()

    await life.reader.fold(0, batch)
    outside.now += RETRY
    await life.send_all()

    assert outside.taken == []
    assert await rows(client, "outbox") == {}
    assert await rows(client, "corrections") == {}


async def test_a_dead_letter_tells_only_what_still_stands_when_it_is_replayed(
    client: Redis,
) -> None:
    outside = Outside()
    outside.next = [REFUSED, REFUSED]
    life = await start(client, outside)
    batch = entries(TIME, step(level=3), AFTER, step("cleared", level=3))
    await life.reader.fold(0, batch[:3])
    await life.send_all()
    (name,) = await letters(client)
    await life.reader.fold(0, batch)
    await ask(client, name, Asked("replay"))

    await life.sender.obey()
    await life.send_all()

    assert outside.taken == []
    assert await rows(client, "dead-letters") == {}
    assert await rows(client, "asked") == {}
    assert await rows(client, "outbox") == {}


async def test_a_dead_letter_is_replayed_by_the_channels_that_the_file_now_says(
    client: Redis,
) -> None:
    outside = Outside()
    outside.next = [REFUSED]
    only = {"send": "immediate", "channels": ["sms"]}
    life = await start(client, outside, Routing.model_validate({"routes": [only]}))
    await life.reader.fold(0, entries(TIME, step(level=3)))
    await life.send_all()
    (name,) = await letters(client)
    await ask(client, name, Asked("replay"))

    again = await start(client, outside)
    await again.sender.obey()
    outside.next = [REFUSED]
    await again.send_all()

    assert outside.addresses == [f"{EHT}@skola.example"]
    assert await rows(client, "dead-letters") == {}


async def test_a_replayed_letter_goes_to_those_whom_the_roster_now_names(client: Redis) -> None:
    outside = Outside()
    await set_roster(client, roster(pupil()))
    life = await start(client, outside)
    batch = entries(TIME, step(level=3), AFTER, reached(WEDNESDAY, "17:30"))
    await life.reader.fold(0, batch[:3])
    await life.send_all()
    (name,) = await letters(client)

    await set_roster(client, roster(pupil(), member(EHT, "eht", mobile="+46700000002")))
    await ask(client, name, Asked("replay"))
    await life.sender.obey()
    await life.send_all()
    await life.reader.fold(0, batch)
    await life.send_all()

    assert outside.addresses == ["+46700000002"]
    assert await rows(client, "dead-letters") == {}


async def test_what_was_dropped_counts_as_told_and_is_told_again_only_when_it_rises(
    client: Redis,
) -> None:
    outside = Outside()
    outside.next = [REFUSED, REFUSED]
    life = await start(client, outside)
    batch = entries(
        *(TIME, step(level=3), AFTER, reached(THURSDAY, "08:00")),
        *(step("raised", level=4, as_of=THURSDAY), reached(THURSDAY, "17:15")),
    )
    await life.reader.fold(0, batch[:3])
    await life.send_all()
    (name,) = await letters(client)
    await ask(client, name, Asked("drop", "told by phone"))
    await life.sender.obey()

    again = await start(client, outside)
    await again.reader.fold(0, batch[:4])
    await again.send_all()
    told_at_the_same_level = len(outside.taken)
    await again.reader.fold(0, batch)
    await again.send_all()

    assert told_at_the_same_level == 0
    assert outside.addresses == ["+46700000002"]
    assert await rows(client, "dead-letters") == {}
    assert (await letters(client, "dropped"))[name].dropped == "told by phone"


async def test_dropping_what_has_risen_and_was_told_since_tells_nobody_again(
    client: Redis,
) -> None:
    outside = Outside()
    outside.next = [REFUSED, REFUSED]
    life = await start(client, outside)
    batch = entries(
        *(TIME, step(level=3), AFTER, step("raised", level=4), reached(WEDNESDAY, "17:30")),
        *(reached(WEDNESDAY, "17:45"), reached(THURSDAY, "15:00")),
    )
    await life.reader.fold(0, batch[:3])
    await life.send_all()
    (name,) = await letters(client)
    await life.reader.fold(0, batch[:5])
    await life.send_all()
    await ask(client, name, Asked("drop", "told by phone"))

    await life.sender.obey()
    await life.reader.fold(0, batch)
    await life.send_all()

    assert len(outside.taken) == 1


async def test_what_rules_heard_just_before_a_crash_it_hears_once_more_and_the_same(
    client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> None:
        raise CrashError

    outside = Outside()
    life = await start(client, outside)
    await life.reader.fold(0, entries(TIME, step(level=3)))
    await life.sender.send_due()
    monkeypatch.setattr(life.store, "write", dies)
    with pytest.raises(CrashError):
        await life.send_all()

    await (await start(client, outside)).send_all()
    await (await start(client, outside)).send_all()

    stream: Any = await client.xrange("attendance:{0}")
    first, second = (fields for _, fields in stream)
    assert first == second
    assert len(outside.taken) == 1


async def test_no_deadline_runs_from_what_was_dropped(client: Redis) -> None:
    outside = Outside()
    outside.next = [REFUSED, REFUSED]
    life = await start(client, outside)
    await life.reader.fold(0, entries(TIME, step(level=3)))
    await life.send_all()
    (name,) = await letters(client)
    await ask(client, name, Asked("drop", "told by phone"))

    await life.sender.obey()
    await life.sender.say()

    assert await client.exists("attendance:{0}") == 0


async def test_a_raise_is_told_although_what_was_before_lies_among_the_dead_letters(
    client: Redis,
) -> None:
    outside = Outside()
    outside.next = [REFUSED, REFUSED]
    life = await start(client, outside)
    batch = entries(TIME, step(level=3), AFTER, step("raised", level=4))
    await life.reader.fold(0, batch[:3])
    await life.send_all()
    (name,) = await letters(client)

    await life.reader.fold(0, batch)
    await life.send_all()
    await ask(client, name, Asked("replay"))
    await life.sender.obey()
    await life.send_all()

    assert outside.addresses == ["+46700000002"]
    assert await rows(client, "dead-letters") == {}


def _an_outbreak_and_what_it_holds() -> Sequence[Entry]:
    return entries(
        TIME,
        step(level=3, step_id="damped-late"),
        step(pupil=OTHER_PUPIL, step_id="held", held_until=FRIDAY, rule="late-arrivals"),
        step(pupil=OTHER_PUPIL, level=3, step_id="gone", held_until=FRIDAY),
        unit_step(level=1, damps=("high-absence",), audience=("eht",)),
        step(pupil=OTHER_PUPIL, step_id="damped", rule="high-absence"),
        step("retracted", pupil=OTHER_PUPIL, level=3, remaining=0),
        SLOT,
        reached(THURSDAY),
        unit_step(kind="cleared", level=1, step_id="over"),
        step("raised", level=3, step_id="shadow", pupil=OTHER_PUPIL, shadow=True),
        reached(FRIDAY),
        reached(date(2025, 9, 18), "15:00"),
    )


async def test_what_is_held_is_told_once_however_often_the_process_dies(client: Redis) -> None:
    outside = Outside()
    batch = _an_outbreak_and_what_it_holds()
    for number in range(1, len(batch) + 1):
        life = await start(client, outside)
        await life.reader.fold(0, batch[:number])
        again = await start(client, outside)
        await again.reader.fold(0, batch[:number])
        await again.send_all()

    ledger = await rows(client, "ledger")
    assert sorted(ledger) == ["damped-late skola-1/eht-1 sms", "held skola-1/kt-1 email"]
    assert len(outside.taken) == 2
    assert await rows(client, "outbreaks") == {}
    assert await rows(client, "outbox") == {}


async def test_held_entries_that_are_read_again_change_nothing(client: Redis) -> None:
    batch = _an_outbreak_and_what_it_holds()
    for number in range(1, len(batch) + 1):
        life = await start(client, Outside())
        await life.reader.fold(0, batch[:number])
        before, outbox = await everything(client), await rows(client, "outbox")
        await life.reader.fold(0, batch[:number])
        again = await start(client, Outside())
        await again.reader.fold(0, batch[:number])

        assert await everything(client) == before
        assert await rows(client, "outbox") == outbox


async def test_urgent_messages_go_before_digests(client: Redis) -> None:
    outside = Outside()
    life = await start(client, outside)
    digest = step(pupil=OTHER_PUPIL, audience=("eht",))
    urgent = step(level=3, audience=("contact_teacher",))
    await life.reader.fold(0, entries(TIME, digest, SLOT, urgent, reached(THURSDAY, "15:15")))

    await life.send_all()

    assert ["vänta" in each.sms for each in outside.taken] == [True, False]
