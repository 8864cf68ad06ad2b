"""SMS by 46elks: a stand-in that answers as it does, and every way in which it fails."""

import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client import REGISTRY

from services.notify.channels import Doubt, Remembering, close_channels
from services.notify.channels.sms_46elks.channel import ElksChannel
from services.notify.channels.sms_46elks.reports import Report, read_report
from services.notify.channels.sms_46elks.settings import ElksSettings
from services.notify.delivery import Outcome
from tests.notify.gateways import SmsGateway, sms_gateway
from tests.notify.test_channels import MESSAGE, NUMBER
from tests.notify.test_channels_email import closed_port

KEY = "hemligt"
OTHER = replace(MESSAGE, id="1" * 32)


@asynccontextmanager
async def sms_channel(url: str, **settings: Any) -> AsyncIterator[ElksChannel]:
    given = {
        "elks_url": url,
        "elks_username": "user",
        "elks_password": KEY,
        "elks_timeout": 0.6,
    }
    channel = ElksChannel(ElksSettings.model_validate({**given, **settings}), time.time)
    try:
        yield channel
    finally:
        await close_channels([channel])


@pytest.fixture
def gateway() -> Iterator[SmsGateway]:
    with sms_gateway() as running:
        yield running


def just_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the gateway's clock is the machine's


async def test_an_sms_arrives_and_the_gateway_is_asked_to_keep_no_copy(
    gateway: SmsGateway,
) -> None:
    async with sms_channel(gateway.url) as channel:
        outcome = await channel.send(NUMBER, MESSAGE)

    assert (outcome.kind, outcome.reference != "") == ("sent", True)
    assert gateway.forms == [
        {"from": "NarVara", "to": NUMBER, "message": "Hej å ä ö", "dontlog": "message"}
    ]


async def test_what_is_no_segment_is_not_sent(gateway: SmsGateway) -> None:
    async with sms_channel(gateway.url) as channel:
        outcome = await channel.send(NUMBER, replace(MESSAGE, sms="Hej " * 41))

    assert outcome.kind == "permanent"
    assert gateway.forms == []


async def test_one_connection_serves_many_messages() -> None:
    with sms_gateway(keep_alive=True) as gateway:
        async with sms_channel(gateway.url) as channel:
            for _ in range(10):
                assert (await channel.send(NUMBER, MESSAGE)).kind == "sent"

        assert gateway.connections == 1


async def test_what_it_cost_is_counted(gateway: SmsGateway) -> None:
    def cost() -> float:
        return REGISTRY.get_sample_value("narvara_sms_cost_total") or 0.0

    before = cost()
    async with sms_channel(gateway.url) as channel:
        await channel.send(NUMBER, MESSAGE)

    assert cost() - before == pytest.approx(0.35)


@pytest.mark.parametrize(
    ("status", "kind", "in_doubt", "gateway_down"),
    [
        (400, "permanent", False, False),
        (401, "permanent", False, False),
        (403, "permanent", False, False),
        (404, "permanent", False, False),
        (408, "transient", False, True),
        (429, "transient", False, True),
        (500, "transient", True, True),
        (502, "transient", True, True),
        (503, "transient", False, True),
        (504, "transient", True, True),
    ],
)
async def test_an_answer_decides(
    gateway: SmsGateway, status: int, kind: str, in_doubt: bool, gateway_down: bool
) -> None:
    async with sms_channel(gateway.url) as channel:
        gateway.answers = [(status, {})]
        outcome = await channel.send(NUMBER, MESSAGE)

    assert (outcome.kind, outcome.in_doubt, outcome.gateway_down) == (kind, in_doubt, gateway_down)
    assert outcome.reason == f"HTTP {status}"


async def test_a_gateway_that_asks_for_a_pause_is_heard(gateway: SmsGateway) -> None:
    async with sms_channel(gateway.url) as channel:
        gateway.answers = [(429, {"Retry-After": "120"})]
        outcome = await channel.send(NUMBER, MESSAGE)

    assert (outcome.kind, outcome.retry_after) == ("transient", 120)


async def test_a_gateway_that_is_away_leaves_no_doubt() -> None:
    async with sms_channel(f"http://127.0.0.1:{closed_port()}") as channel:
        outcome = await channel.send(NUMBER, MESSAGE)

    assert (outcome.kind, outcome.gateway_down) == ("transient", True)
    assert not outcome.in_doubt


@pytest.mark.parametrize("fault", ["refuse", "drop", "stall"])
async def test_an_answer_that_does_not_come_leaves_a_doubt(gateway: SmsGateway, fault: str) -> None:
    async with sms_channel(gateway.url) as channel:
        gateway.faults = [fault]
        outcome = await channel.send(NUMBER, MESSAGE)

    assert (outcome.kind, outcome.in_doubt) == ("transient", True)
    assert NUMBER not in outcome.reason


# What became of a message in doubt


def doubt(
    since: datetime, until: datetime | None = None, others: int = 0, claimed: Collection[str] = ()
) -> Doubt:
    async def known(names: Sequence[str]) -> set[str]:
        return set(names) & set(claimed)

    return Doubt(since, until or since, others, known)


async def found(gateway: SmsGateway, asked: Doubt, to: str = NUMBER) -> Outcome | None:
    """What a process that has just started is told of `MESSAGE`."""
    async with sms_channel(gateway.url) as channel:
        assert isinstance(channel, Remembering)
        return await channel.was_sent(to, MESSAGE, asked)


@pytest.mark.parametrize(("fault", "sent"), [("refuse", False), ("drop", True), ("stall", True)])
async def test_the_gateway_is_asked_what_became_of_a_message_in_doubt(
    gateway: SmsGateway, fault: str, sent: bool
) -> None:
    gateway.faults = [fault]
    since = just_now()
    async with sms_channel(gateway.url) as channel:
        await channel.send(NUMBER, MESSAGE)

    told = await found(gateway, doubt(since))

    assert (told is not None) is sent
    assert told is None or (told.kind, told.reference != "") == ("sent", True)


async def test_what_is_known_to_be_of_another_message_is_not_taken_for_it(
    gateway: SmsGateway,
) -> None:
    since = just_now()
    async with sms_channel(gateway.url) as channel:
        other = await channel.send(NUMBER, OTHER)
        gateway.faults = ["refuse"]
        await channel.send(NUMBER, MESSAGE)

    assert await found(gateway, doubt(since, claimed=[other.reference])) is None


@pytest.mark.parametrize(("listed", "others", "sent"), [(1, 0, True), (1, 1, False), (2, 1, True)])
async def test_what_others_in_doubt_may_account_for_is_no_proof(
    gateway: SmsGateway, listed: int, others: int, sent: bool
) -> None:
    since = just_now()
    async with sms_channel(gateway.url) as channel:
        for message in (MESSAGE, OTHER)[:listed]:
            await channel.send(NUMBER, message)

    assert (await found(gateway, doubt(since, others=others)) is not None) is sent


async def test_one_to_another_number_or_long_before_is_not_taken_for_it(
    gateway: SmsGateway,
) -> None:
    async with sms_channel(gateway.url) as before:
        await before.send("+46700000002", OTHER)
        await before.send(NUMBER, OTHER)

    assert await found(gateway, doubt(just_now() + timedelta(hours=1))) is None
    assert await found(gateway, doubt(just_now()), "+46700000003") is None


async def test_the_first_of_several_tries_is_looked_for_too(gateway: SmsGateway) -> None:
    gateway.faults = ["drop"]
    since = just_now()
    async with sms_channel(gateway.url) as channel:
        await channel.send(NUMBER, MESSAGE)

    assert await found(gateway, doubt(since, since + timedelta(minutes=10))) is not None


async def test_a_gateway_that_lists_our_id_is_believed(gateway: SmsGateway) -> None:
    since = just_now()
    async with sms_channel(gateway.url, sms_reports_url="https://x.example/r") as before:
        await before.send(NUMBER, OTHER)
    gateway.listed[0]["whendelivered"] = gateway.forms[0]["whendelivered"]

    assert await found(gateway, doubt(since)) is None


async def test_clocks_that_differ_mislead_nobody(gateway: SmsGateway) -> None:
    gateway.clock_ahead = 3600
    gateway.faults = ["drop"]
    since = just_now()
    async with sms_channel(gateway.url) as channel:
        await channel.send(NUMBER, MESSAGE)

    assert await found(gateway, doubt(since)) is not None


@pytest.mark.parametrize("answer", [(500, {}), (403, {}), (404, {})])
async def test_a_gateway_that_does_not_say_proves_nothing(
    gateway: SmsGateway, answer: tuple[int, dict[str, str]]
) -> None:
    gateway.answers = [answer]

    assert await found(gateway, doubt(just_now())) is None


async def test_a_list_that_nobody_can_read_proves_nothing(gateway: SmsGateway) -> None:
    gateway.listed = [{"to": NUMBER, "id": "s1", "created": "yesterday", "direction": "outgoing"}]

    assert await found(gateway, doubt(just_now())) is None
    async with sms_channel(f"http://127.0.0.1:{closed_port()}") as channel:
        assert await channel.was_sent(NUMBER, MESSAGE, doubt(just_now())) is None


async def test_a_report_comes_back_with_our_own_id(gateway: SmsGateway) -> None:
    async with sms_channel(gateway.url, sms_reports_url="https://x.example/sms-reports") as channel:
        await channel.send(NUMBER, MESSAGE)
    address = urlsplit(gateway.forms[0]["whendelivered"])
    query = {name: values[0] for name, values in parse_qs(address.query).items()}

    def read(**changes: str) -> Report | None:
        form = {"id": "s1", "status": changes.get("status", "delivered"), "delivered": "2026"}
        return read_report({**query, **changes}, form, KEY.encode())

    assert address.path == "/sms-reports"
    assert read() == Report(MESSAGE.id, "delivered")
    assert read(status="failed") == Report(MESSAGE.id, "failed")
    assert read(status="eaten") is None
    assert read(message=OTHER.id) is None
    assert read(proof="") is None
    assert read(proof="å") is None
    assert read_report({}, {}, KEY.encode()) is None
