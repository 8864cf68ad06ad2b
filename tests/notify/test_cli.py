"""`narvara notify` and `narvara dead-letters`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from services.notify.cli import channels, notify, staff
from services.notify.rows import (
    Asked,
    Brake,
    DeadLetter,
    Item,
    Outgoing,
    Recipient,
    Table,
    about,
    finding_key,
)
from services.notify.stages.brake import BRAKE
from services.notify.stages.route import address_key
from services.notify.store import LEASE, Store, key
from shared.broker import make_client
from shared.lease import Lease
from tests.notify.examples import PUPIL, SCHOOL, THURSDAY, WEDNESDAY, at

NAME = "skola-1/ opened"
LETTER = DeadLetter(
    Outgoing(
        NAME,
        "immediate",
        Recipient(SCHOOL),
        ("email",),
        (
            Item(
                finding_key(SCHOOL, PUPIL, "", "high-absence"),
                about(SCHOOL, PUPIL, ""),
                "opened",
                ("opened",),
                "opened",
                3,
                WEDNESDAY,
                "level 3 for eht: the roster has none; to EHT's inbox",
                "eht",
            ),
        ),
        "hemlig",
        at(THURSDAY),
    ),
    "nobody can be reached",
    at(THURSDAY),
)


async def keep(url: str, table: Table, letter: DeadLetter) -> None:
    client = make_client(url)
    call: Any = client.hset(key(table), letter.outgoing.id, msgspec.json.encode(letter))
    await call
    await client.aclose()


async def asked(url: str) -> dict[str, Asked]:
    client = make_client(url)
    found = await Store(client, Lease(client, LEASE, 1)).asked()
    await client.aclose()
    return found


@pytest.fixture
def runner(redis_url: str) -> CliRunner:
    asyncio.run(keep(redis_url, "dead-letters", LETTER))
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
    assert asyncio.run(asked(redis_url)) == {NAME: Asked("replay")}


def test_a_dead_letter_is_shown_whole_but_for_its_link(runner: CliRunner) -> None:
    result = runner.invoke(notify, ["dead-letters", "show", NAME])

    shown = json.loads(result.output)
    assert shown["reason"] == "nobody can be reached"
    assert shown["outgoing"]["channels"] == ["email"]
    (told,) = shown["outgoing"]["items"]
    assert told["finding"] == f"{SCHOOL}/{PUPIL} high-absence"
    assert told["reason"] == "level 3 for eht: the roster has none; to EHT's inbox"
    assert "token" not in shown["outgoing"]
    assert "hemlig" not in result.output


def test_a_dropped_letter_can_still_be_shown_with_why(runner: CliRunner, redis_url: str) -> None:
    dropped = LETTER.but(outgoing=LETTER.outgoing.but(id="old"), dropped="told by phone")
    asyncio.run(keep(redis_url, "dropped", dropped))

    result = runner.invoke(notify, ["dead-letters", "show", "old"])

    assert json.loads(result.output)["dropped"] == "told by phone"
    assert "old" not in runner.invoke(notify, ["dead-letters", "list"]).output


def test_a_drop_is_asked_of_the_running_service_with_its_reason(
    runner: CliRunner, redis_url: str
) -> None:
    result = runner.invoke(notify, ["dead-letters", "drop", NAME, "--why", "told by phone"])

    assert result.exit_code == 0
    assert asyncio.run(asked(redis_url)) == {NAME: Asked("drop", "told by phone")}


@pytest.mark.parametrize("why", [[], ["--why", " "]])
def test_nothing_is_dropped_without_a_reason(
    runner: CliRunner, redis_url: str, why: list[str]
) -> None:
    result = runner.invoke(notify, ["dead-letters", "drop", NAME, *why])

    assert result.exit_code != 0
    assert "--why" in result.output
    assert asyncio.run(asked(redis_url)) == {}


@pytest.mark.parametrize("command", [["replay"], ["show"], ["drop", "--why", "x"]])
def test_an_unknown_dead_letter_is_told(runner: CliRunner, command: list[str]) -> None:
    result = runner.invoke(notify, ["dead-letters", *command, "other"])

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


def test_a_channel_is_tried_out_with_the_settings_that_the_service_would_have(
    tmp_path: Path,
) -> None:
    runner = CliRunner(env={"NARVARA_DATA_DIR": str(tmp_path), "NARVARA_REDIS_URL": "redis://x"})

    sent = runner.invoke(channels, ["test", "email", "--to", "it@skola.example"])
    missing = runner.invoke(channels, ["test", "webhook", "--to", "x"])

    assert (sent.exit_code, sent.output) == (0, "the gateway has taken it\n")
    (mail,) = (tmp_path / "messages").iterdir()
    assert b"To: it@skola.example" in mail.read_bytes()
    assert missing.exit_code == 1
    assert "there is no channel webhook" in missing.output


def test_the_brake_is_let_go_only_where_it_holds(redis_url: str, runner: CliRunner) -> None:
    nothing = runner.invoke(notify, ["release"])
    asyncio.run(brake(redis_url))
    released = runner.invoke(notify, ["release"])

    assert (nothing.exit_code, released.exit_code) == (1, 0)
    assert asyncio.run(asked(redis_url))[BRAKE] == Asked("release")


async def brake(url: str) -> None:
    client = make_client(url)
    row = msgspec.json.encode(Brake(at(THURSDAY), at(WEDNESDAY), 60))
    call: Any = client.hset(key("brake"), BRAKE, row)
    await call
    await client.aclose()


def test_an_address_is_called_dead_without_being_kept_in_the_clear(
    redis_url: str, runner: CliRunner
) -> None:
    result = runner.invoke(staff, ["dead", "Astrid@Skola.example"])

    assert result.exit_code == 0
    assert asyncio.run(asked(redis_url)) == {
        address_key("astrid@skola.example"): Asked("dead", "told by hand")
    }
