"""`narvara notify` and `narvara dead-letters`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from services.notify.cli import notify
from services.notify.desk import DeadLetter, Item, Outgoing, Recipient, signal_of
from services.notify.store import key
from shared.broker import make_client
from tests.notify.examples import SCHOOL, THURSDAY, at, step


def a_dead_letter() -> DeadLetter:
    recipient = Recipient(school=SCHOOL)
    item = Item(
        recipient=recipient,
        signal=signal_of(step(), "opened", 3),
        steps=("opened",),
        after=at(THURSDAY),
        channels=("email",),
        reason="an example",
    )
    outgoing = Outgoing(
        id="skola-1/ opened",
        kind="immediate",
        recipient=recipient,
        channels=("email",),
        items=(item,),
        token="hemlig",
        made=at(THURSDAY),
    )
    return DeadLetter(outgoing=outgoing, reason="nobody can be reached", at=at(THURSDAY))


async def keep(url: str, letter: DeadLetter) -> None:
    client = make_client(url)
    call: Any = client.hset(key("dead-letters"), letter.outgoing.id, letter.model_dump_json())
    await call
    await client.aclose()


async def asked(url: str) -> list[bytes]:
    client = make_client(url)
    call: Any = client.hkeys(key("replay"))
    found: list[bytes] = await call
    await client.aclose()
    return found


@pytest.fixture
def runner(redis_url: str) -> CliRunner:
    asyncio.run(keep(redis_url, a_dead_letter()))
    return CliRunner(env={"NARVARA_REDIS_URL": redis_url})


def test_dead_letters_are_listed_with_the_reason_and_without_pupil_or_link(
    runner: CliRunner,
) -> None:
    result = runner.invoke(notify, ["dead-letters", "list"])

    (line,) = result.output.splitlines()
    assert json.loads(line) == {
        "id": "skola-1/ opened",
        "kind": "immediate",
        "recipient": "skola-1/",
        "at": "2025-09-11T17:00:00+02:00",
        "reason": "nobody can be reached",
    }


def test_a_replay_is_asked_of_the_running_service(runner: CliRunner, redis_url: str) -> None:
    result = runner.invoke(notify, ["dead-letters", "replay", "--all"])

    assert result.exit_code == 0
    assert asyncio.run(asked(redis_url)) == [b"skola-1/ opened"]


def test_an_unknown_dead_letter_is_told(runner: CliRunner) -> None:
    result = runner.invoke(notify, ["dead-letters", "replay", "other"])

    assert result.exit_code == 1
    assert "no dead letter is called 'other'" in result.output


def test_a_link_too_long_for_an_sms_stops_the_start_with_a_reason(
    tmp_path: Path, redis_url: str
) -> None:
    env = {
        "NARVARA_REDIS_URL": redis_url,
        "NARVARA_PUBLIC_URL": "https://" + "lang-" * 20 + "skola.example",
    }

    result = CliRunner(env=env).invoke(notify, ["run"])

    assert result.exit_code == 1
    assert "shorten the text or the link" in result.output
