"""When a digest is due, and what stands in it."""

from datetime import UTC, date, datetime

import pytest

from services.notify.desk import Finding, Item, Recipient, signal_of
from services.notify.digest import Due, due, in_order, next_slot
from tests.notify.examples import (
    CALENDAR,
    FRIDAY,
    OTHER_PUPIL,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    WEDNESDAY,
    at,
    step,
)

SLOT = "thu 15:00"
CAME = at(WEDNESDAY)


def item(
    pupil: str = PUPIL, level: int = 2, after: datetime = CAME, *, good_news: bool = False
) -> Item:
    opened = step(level=level, pupil=pupil, good_news=good_news)
    return Item(
        recipient=Recipient(school=SCHOOL, staff=TEACHER),
        signal=signal_of(opened, opened.step_id, level),
        steps=(opened.step_id,),
        after=after,
        channels=("email",),
        reason="an example",
    )


def standing(*items: Item) -> dict[str, Finding]:
    return {
        each.signal.finding: Finding(signal=each.signal, steps=each.steps, risen=WEDNESDAY)
        for each in items
    }


def digests(
    *items: Item, reached: datetime, finding: dict[str, Finding] | None = None
) -> list[Due]:
    findings = standing(*items) if finding is None else finding
    return due(items, findings, reached, lambda _: SLOT, CALENDAR)


@pytest.mark.parametrize(
    ("after", "held"),
    [
        (at(WEDNESDAY), at(THURSDAY, "15:00")),
        (at(THURSDAY, "14:59"), at(THURSDAY, "15:00")),
        (at(THURSDAY, "15:00"), at(date(2025, 9, 18), "15:00")),
        (at(date(2025, 10, 24)), at(date(2025, 11, 3), "15:00")),
        (at(date(2025, 10, 30), "16:00"), at(date(2025, 11, 3), "15:00")),
        (at(date(2025, 12, 19)), at(date(2026, 1, 8), "15:00")),
        (at(date(2026, 6, 12)), None),
    ],
    ids=[
        "the next day",
        "the same day",
        "the slot itself is past",
        "on a day off, the next school day at the same time",
        "in the middle of the break",
        "over Christmas, once",
        "the calendar ends",
    ],
)
def test_a_slot_is_held_on_a_school_day(after: datetime, held: datetime | None) -> None:
    assert next_slot(SLOT, after, CALENDAR) == held


def test_a_slot_keeps_its_local_time_when_the_clocks_change() -> None:
    summer = next_slot("fri 15:00", at(date(2025, 10, 20)), CALENDAR)
    winter = next_slot("mon 15:00", at(date(2025, 10, 24)), CALENDAR)

    assert summer is not None
    assert winter is not None
    assert summer.astimezone(UTC).hour == 13
    assert winter.astimezone(UTC).hour == 14


def test_a_digest_is_due_when_its_slot_is_reached_and_not_before() -> None:
    assert digests(item(), reached=at(THURSDAY, "14:45")) == []

    (digest,) = digests(item(), reached=at(THURSDAY, "15:00"))

    assert digest.slot == at(THURSDAY, "15:00")
    assert digest.id == f"{SCHOOL}/{TEACHER} 2025-09-11T15:00:00+02:00"


def test_a_missed_slot_joins_the_next() -> None:
    early, late = item(PUPIL), item(OTHER_PUPIL, after=at(FRIDAY))

    (digest,) = digests(early, late, reached=at(date(2025, 9, 19), "08:00"))

    assert digest.slot == at(date(2025, 9, 18), "15:00")
    assert [each.signal.pupil for each in digest.items] == [PUPIL, OTHER_PUPIL]


def test_what_comes_after_the_slot_waits_for_the_next() -> None:
    early, late = item(PUPIL), item(OTHER_PUPIL, after=at(THURSDAY, "15:00"))

    (digest,) = digests(early, late, reached=at(THURSDAY, "15:15"))

    assert [each.signal.pupil for each in digest.items] == [PUPIL]


def test_only_what_still_stands_is_told_and_as_it_stands_now() -> None:
    gone, raised = item(PUPIL), item(OTHER_PUPIL)
    now = raised.signal.model_copy(update={"level": 3})
    findings = {raised.signal.finding: Finding(signal=now, steps=raised.steps, risen=WEDNESDAY)}

    (digest,) = digests(gone, raised, reached=at(THURSDAY, "15:00"), finding=findings)

    assert [(each.signal.pupil, each.signal.level) for each in digest.items] == [(OTHER_PUPIL, 3)]


def test_a_digest_of_nothing_is_not_sent() -> None:
    assert digests(item(), reached=at(THURSDAY, "15:00"), finding={}) == []


def test_signals_stand_by_pupil_and_the_most_serious_comes_first() -> None:
    mild, serious, same_pupil = item(PUPIL, 2), item(OTHER_PUPIL, 3), item(PUPIL, 4)

    ordered = in_order([mild, serious, same_pupil])

    assert [(each.signal.pupil, each.signal.level) for each in ordered] == [
        (PUPIL, 4),
        (PUPIL, 2),
        (OTHER_PUPIL, 3),
    ]


def test_good_news_comes_last_and_apart_from_the_pupils_signals() -> None:
    good, mild, other = item(PUPIL, 4, good_news=True), item(PUPIL, 1), item(OTHER_PUPIL, 2)

    ordered = in_order([good, mild, other])

    assert [(each.signal.pupil, each.signal.good_news) for each in ordered] == [
        (OTHER_PUPIL, False),
        (PUPIL, False),
        (PUPIL, True),
    ]
