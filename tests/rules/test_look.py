"""Looking at a pupil as the owner has them: what a replay shows, and nothing is changed by it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from services.rules.example import EXAMPLE_CALENDAR, facts
from services.rules.explain import explain
from services.rules.look import Live, Sight, registered
from services.rules.looking import look_routes
from services.rules.partition import Partition
from services.rules.record import pack
from services.rules.replay import Replay
from services.rules.window import Registration, instant_of
from shared.config import read_config
from shared.events import CalendarChanged, Fact, RulebookChanged, Status
from shared.picture import MOST, Earlier, Looked, Picture, Wanted
from shared.rulebook import Example, Rulebook
from tests.streams import CALENDAR_CONTENT, random_stream

SHIPPED = read_config(Path("deploy/config/rulebook.yaml"), Rulebook).model_dump(mode="json")


def entries(seed: int) -> list[Fact]:
    return [
        CalendarChanged(version="kalender-1", content=CALENDAR_CONTENT),
        RulebookChanged(version="regelbok-1", content=SHIPPED),
        *random_stream(seed),
    ]


def people(partition: Partition) -> list[tuple[str, str]]:
    return [
        (name, pupil)
        for name, school in partition.schools.items()
        for pupil in sorted(school.pupils)
    ]


def looked(partition: Partition, school: str, pupil: str, *, brief: bool = False) -> Picture | None:
    """A pupil, looked at alone."""
    return Sight(partition, school).look(pupil, brief=brief)


def test_what_is_shown_of_the_living_is_what_a_replay_shows() -> None:
    owner, facts = Partition(), entries(0)
    for number, fact in enumerate(facts, 1):
        owner.fold((number, 0), fact)
    for whom in people(owner):
        told = Replay(*whom)
        for number, fact in enumerate(facts, 1):
            told.fold((number, 0), fact)
        replayed, living = explain(told), explain(Live(owner, *whom))

        assert living.strip == replayed.strip
        assert living.rules == replayed.rules
        assert living.who == replayed.who
        assert [(each.rule, each.level, each.since, each.clearing) for each in living.open] == [
            (each.rule, each.level, each.since, each.clearing) for each in replayed.open
        ]


def test_looking_in_between_changes_neither_records_nor_steps() -> None:
    alone, watched, facts = Partition(), Partition(), entries(1)
    seen = 0
    for number, fact in enumerate(facts, 1):
        expected = list(alone.fold((number, 0), fact).messages)
        before = {whom: pack(watched.schools[whom[0]].pupils[whom[1]]) for whom in people(watched)}
        for whom in people(watched) if number % 7 == 0 else ():
            seen += looked(watched, *whom) is not None
            assert pack(watched.schools[whom[0]].pupils[whom[1]]) == before[whom]
        assert watched.fold((number, 0), fact).messages == expected
    assert seen


def test_who_is_looked_at_with_others_is_shown_as_if_alone() -> None:
    owner = Partition()
    for number, fact in enumerate(entries(0), 1):
        owner.fold((number, 0), fact)
    for school in owner.schools:
        sight = Sight(owner, school)
        whole = [whom for whom in people(owner) if whom[0] == school]
        assert len(whole) > 1
        for whom in whole:
            assert sight.look(whom[1]) == looked(owner, *whom)


def test_brief_leaves_out_rules_that_say_nothing_and_figures_are_in_words() -> None:
    owner = Partition()
    for number, fact in enumerate(entries(0), 1):
        owner.fold((number, 0), fact)
    wholes = [picture for whom in people(owner) if (picture := looked(owner, *whom))]
    briefs = [picture for whom in people(owner) if (picture := looked(owner, *whom, brief=True))]

    assert any(brief.rules for brief in briefs)
    for whole, brief in zip(wholes, briefs, strict=True):
        assert brief.rules == [rule for rule in whole.rules if rule.level or rule.holds]
        assert brief.days == whole.days
        for rule in whole.rules:
            for figure in rule.figures:
                for said in (figure.what, figure.value, figure.limit):
                    assert said["sv"]
                    assert said["en"]


def test_nobody_is_shown_of_whom_nothing_is_known() -> None:
    owner = Partition()
    for number, fact in enumerate(entries(0), 1):
        owner.fold((number, 0), fact)

    assert looked(owner, "skola-1", "nobody") is None
    assert looked(owner, "nowhere", "nobody") is None


def test_what_was_missed_earlier_in_the_year_is_shown_when_attended_lessons_are_let_go() -> None:
    owner = Partition()
    stream = [
        CalendarChanged(version="kalender-1", content=EXAMPLE_CALENDAR.model_dump(mode="json")),
        RulebookChanged(version="regelbok-1", content=SHIPPED),
        *facts(Example(strip="puel- .*1 ppvlo ppppp*97 ueppp*10", level=0)),
    ]
    for number, fact in enumerate(stream, 1):
        owner.fold((number, 0), fact)
    ((school, pupil),) = people(owner)
    picture = looked(owner, school, pupil)

    assert len(owner.schools[school].pupils[pupil].lessons) < 80 * 5, "the others are let go"
    assert picture is not None
    one_each = (Status.UNEXCUSED, Status.EXCUSED, Status.LATE, Status.UNREPORTED)
    assert picture.earlier == [
        Earlier(EXAMPLE_CALENDAR.school_days[0], 5, dict.fromkeys(one_each, 1)),
        Earlier(EXAMPLE_CALENDAR.school_days[2], 5, {Status.LEAVE: 1, Status.LATE: 1}),
    ]


# Over HTTP


class _Owner:
    """Shows whoever is asked for."""

    def __init__(self) -> None:
        self.wanted: list[Wanted] = []

    async def look(self, wanted: Wanted) -> Looked:
        self.wanted.append(wanted)
        return Looked(elsewhere=wanted.pupils)


@asynccontextmanager
async def served(secret: str, owner: _Owner) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=look_routes(secret, owner.look)))
    async with httpx.AsyncClient(transport=transport, base_url="http://rules") as client:
        yield client


OPENS = {"Authorization": "Bearer secret"}
WANTED: dict[str, Any] = {"school": "skola-1", "pupils": ["p1"], "brief": True}


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer "}]
)
async def test_without_the_token_nothing_is_shown(header: dict[str, str]) -> None:
    owner = _Owner()
    async with served("secret", owner) as client:
        answer = await client.post("/pupil", json=WANTED, headers=header)

    assert answer.status_code == 401
    assert owner.wanted == []


async def test_where_no_token_is_set_there_is_no_such_page() -> None:
    owner = _Owner()
    async with served("", owner) as client:
        answer = await client.post("/pupil", json=WANTED, headers={"Authorization": "Bearer "})

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        (b'{"school": "skola-1"}', 422),
        (b'{"school": "skola-1", "pupils": "p1"}', 422),
        (b'{"school": "skola-1", "pupils": [], "else": 1}', 422),
        (msgspec.json.encode(Wanted("skola-1", ["p"] * (MOST + 1))), 422),
        (b" " * 70_000, 413),
        (b"\xff", 422),
    ],
)
async def test_what_can_not_be_read_is_said(body: bytes, status: int) -> None:
    owner = _Owner()
    async with served("secret", owner) as client:
        answer = await client.post(
            "/pupil", content=body, headers={"Authorization": "Bearer secret"}
        )

    assert answer.status_code == status
    assert "wanted" in answer.json()["error"]
    assert owner.wanted == []


async def test_with_the_token_the_owner_is_asked() -> None:
    owner = _Owner()
    async with served("secret", owner) as client:
        answer = await client.post(
            "/pupil", json=WANTED, headers={"Authorization": "Bearer secret"}
        )

    assert owner.wanted == [Wanted("skola-1", ["p1"], brief=True)]
    assert msgspec.json.decode(answer.content, type=Looked) == Looked(elsewhere=["p1"])


def test_a_picture_is_read_as_it_was_written() -> None:
    owner = Partition()
    for number, fact in enumerate(entries(0), 1):
        owner.fold((number, 0), fact)
    for whom in people(owner):
        picture = looked(owner, *whom)
        assert msgspec.json.decode(msgspec.json.encode(picture), type=Picture | None) == picture


def test_how_much_is_registered_is_counted_over_the_strips_days() -> None:
    owner = Partition()
    for number, fact in enumerate(entries(0), 1):
        owner.fold((number, 0), fact)
    for name, school in owner.schools.items():
        due, unreported = registered(owner, name)
        closed = owner.memory.schools[name].closed
        assert closed is not None
        window = school.days.calendar.window(closed, 40)
        came_due = [
            known
            for pupil in school.pupils.values()
            if not pupil.protected
            for known in pupil.lessons.values()
            if known.status is not Status.WITHDRAWN
            and window[0] <= school.days.calendar.due_on(_ends(known)) <= window[-1]
        ]
        assert due == len(came_due) > 0
        assert unreported == sum(known.status is Status.UNREPORTED for known in came_due)
    assert registered(owner, "nowhere") == (0, 0)


def _ends(known: Registration) -> datetime:
    return instant_of(known.starts_at) + timedelta(minutes=known.minutes)
