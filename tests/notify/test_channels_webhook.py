"""A gateway of one's own: what it is told, and how it knows who tells it."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from services.notify.channels import close_channels
from services.notify.channels.webhook.channel import WebhookChannel
from services.notify.channels.webhook.settings import WebhookSettings
from services.notify.delivery import SENT
from tests.notify.gateways import SmsGateway, sms_gateway
from tests.notify.test_channels import MESSAGE, NUMBER, WEBHOOK_SECRET
from tests.notify.test_channels_email import closed_port

TOLD = replace(
    MESSAGE,
    kind="immediate",
    link="https://x.example/m/t",
    reference="0a1b2c3d",
    school="skola-å",
)


@asynccontextmanager
async def webhook(url: str, **settings: Any) -> AsyncIterator[WebhookChannel]:
    given = {"webhook_url": url, "webhook_secret": WEBHOOK_SECRET, "webhook_timeout": 0.6}
    channel = WebhookChannel(
        WebhookSettings.model_validate({**given, **settings}), clock=lambda: 1_800_000_000.7
    )
    try:
        yield channel
    finally:
        await close_channels([channel])


@pytest.fixture
def gateway() -> Iterator[SmsGateway]:
    with sms_gateway() as running:
        yield running


async def test_the_gateway_is_told_what_a_template_may_name_and_no_more(
    gateway: SmsGateway,
) -> None:
    async with webhook(gateway.url) as channel:
        outcomes = [await channel.send(NUMBER, TOLD), await channel.send("", TOLD)]

    told = {
        "id": TOLD.id,
        "kind": "immediate",
        "link": "https://x.example/m/t",
        "reference": "0a1b2c3d",
        "school": "skola-å",
    }
    assert outcomes == [SENT, SENT]
    assert [json.loads(each) for each in gateway.bodies] == [{**told, "to": NUMBER}, told]


async def test_who_knows_the_secret_can_see_who_told_it_and_when(gateway: SmsGateway) -> None:
    async with webhook(gateway.url) as channel:
        await channel.send(NUMBER, TOLD)

    (headers,), (body,) = gateway.headers, gateway.bodies
    name, at = headers["webhook-id"], headers["webhook-timestamp"]
    signed = hmac.digest(
        base64.b64decode(WEBHOOK_SECRET), f"{name}.{at}.".encode() + body, "sha256"
    )
    assert (name, at) == (TOLD.id, "1800000000")
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(signed).decode()}"
    assert headers["content-type"] == "application/json"


async def test_a_secret_may_have_the_prefix_of_the_specification(gateway: SmsGateway) -> None:
    async with webhook(gateway.url) as plain:
        await plain.send(NUMBER, TOLD)
    async with webhook(gateway.url, webhook_secret=f"whsec_{WEBHOOK_SECRET}") as prefixed:
        await prefixed.send(NUMBER, TOLD)

    first, second = (each["webhook-signature"] for each in gateway.headers)
    assert first == second


@pytest.mark.parametrize(
    ("status", "kind"), [(202, "sent"), (301, "permanent"), (410, "permanent"), (503, "transient")]
)
async def test_an_answer_decides(gateway: SmsGateway, status: int, kind: str) -> None:
    async with webhook(gateway.url) as channel:
        gateway.answers = [(status, {"Location": "/elsewhere"})]
        outcome = await channel.send(NUMBER, TOLD)

    assert outcome.kind == kind


@pytest.mark.parametrize("fault", ["drop", "stall"])
async def test_an_answer_that_does_not_come_leaves_a_doubt(gateway: SmsGateway, fault: str) -> None:
    async with webhook(gateway.url) as channel:
        gateway.faults = [fault]
        outcome = await channel.send(NUMBER, TOLD)

    assert (outcome.kind, outcome.in_doubt) == ("transient", True)


async def test_a_gateway_that_is_away_leaves_no_doubt() -> None:
    async with webhook(f"http://127.0.0.1:{closed_port()}/") as channel:
        outcome = await channel.send(NUMBER, TOLD)

    assert (outcome.kind, outcome.in_doubt) == ("transient", False)
