"""When a digest is due, and what stands in it, in which order."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from services.notify.routing import Routing
from services.notify.rows import Item
from services.notify.stages.group import capped, in_order, latest_slot, next_slot
from tests.notify.examples import (
    CALENDAR,
    EHT,
    FRIDAY,
    OTHER_PUPIL,
    PUPIL,
    SCHOOL,
    TEACHER,
    THURSDAY,
    WEDNESDAY,
    Telling,
    at,
    member,
    pupil,
    reached,
    roster,
    step,
)

TO_TEACHER = f"{SCHOOL}/{TEACHER}"
SLOT = "thu 15:00"
NEXT_THURSDAY = date(2025, 9, 18)


def item(
    pupil: str = PUPIL,
    level: int = 2,
    rule: str = "high-absence",
    since: date = WEDNESDAY,
    *,
    good_news: bool = False,
    correction: bool = False,
) -> Item:
    about = f"{SCHOOL}/{pupil}"
    return Item(
        f"{about} {rule}",
        about,
        opened=f"{about} {rule} {level}",
        steps=("step",),
        shows="step",
        level=level,
        since=since,
        reason="an example",
        good_news=good_news,
        correction=correction,
    )


def pupils(items: tuple[Item, ...]) -> list[tuple[str, int]]:
    return [(each.about.partition("/")[2], each.level) for each in items]


# Slots


@pytest.mark.parametrize(
    ("after", "held"),
    [
        (at(WEDNESDAY), at(THURSDAY, "15:00")),
        (at(THURSDAY, "14:59"), at(THURSDAY, "15:00")),
        (at(THURSDAY, "15:00"), at(NEXT_THURSDAY, "15:00")),
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


@pytest.mark.parametrize(
    ("after", "held"),
    [
        (at(WEDNESDAY, "14:45"), at(WEDNESDAY, "15:00")),
        (at(WEDNESDAY, "15:00"), at(THURSDAY, "15:00")),
        (at(FRIDAY), at(date(2025, 9, 15), "15:00")),
        (at(date(2025, 10, 24)), at(date(2025, 11, 3), "15:00")),
        (at(date(2026, 6, 12)), None),
    ],
    ids=["the same day", "the next day", "over the weekend", "over a break", "the calendar ends"],
)
def test_a_daily_slot_is_held_each_school_day_at_its_time(
    after: datetime, held: datetime | None
) -> None:
    assert next_slot(SLOT, after, CALENDAR, daily=True) == held


@pytest.mark.parametrize("daily", [False, True])
def test_slots_follow_one_another_each_on_a_school_day_at_its_local_time(*, daily: bool) -> None:
    slots = [at(date(2025, 8, 1))]
    while (following := next_slot(SLOT, slots[-1], CALENDAR, daily=daily)) is not None:
        slots.append(following)
    del slots[0]

    assert all(earlier < later for earlier, later in pairwise(slots))
    assert all(CALENDAR.is_school_day(slot.date()) for slot in slots)
    assert {slot.astimezone(CALENDAR.zone).strftime("%H:%M") for slot in slots} == {"15:00"}
    if daily:
        assert [slot.date() for slot in slots] == list(CALENDAR.school_days)


def test_a_slot_keeps_its_local_time_when_the_clocks_change() -> None:
    summer = next_slot("fri 15:00", at(date(2025, 10, 20)), CALENDAR)
    winter = next_slot("mon 15:00", at(date(2025, 10, 24)), CALENDAR)

    assert summer is not None
    assert winter is not None
    assert summer.astimezone(UTC).hour == 13
    assert winter.astimezone(UTC).hour == 14


def test_a_digest_is_due_when_its_slot_is_reached_and_not_before() -> None:
    came = at(WEDNESDAY)

    assert latest_slot(SLOT, came, at(THURSDAY, "14:45"), CALENDAR) is None
    assert latest_slot(SLOT, came, at(THURSDAY, "15:00"), CALENDAR) == at(THURSDAY, "15:00")


def test_of_several_slots_that_have_passed_the_newest_is_held() -> None:
    later = at(date(2025, 9, 19), "08:00")

    assert latest_slot(SLOT, at(WEDNESDAY), later, CALENDAR) == at(NEXT_THURSDAY, "15:00")


def test_a_slot_is_over_for_what_comes_at_it_or_after() -> None:
    assert latest_slot(SLOT, at(THURSDAY, "15:00"), at(THURSDAY, "15:15"), CALENDAR) is None


# Daily digests

DAILY = Routing.model_validate(
    {"routes": [{"rules": ["late-arrivals"], "send": "digest", "digest": "daily"},
                {"send": "digest"}]}
)  # fmt: skip


def test_a_daily_digest_goes_each_school_day_beside_the_weekly_one() -> None:
    telling = Telling(routing=DAILY)
    telling.fold(reached(date(2025, 9, 9)), step(rule="late-arrivals"), step(pupil=OTHER_PUPIL))
    sent = []
    for day in (WEDNESDAY, THURSDAY, FRIDAY):
        telling.fold(reached(day, "15:00"))
        sent += [(each.made.day, [item.finding for item in each.items]) for each in telling.send()]
        if day == THURSDAY:
            telling.fold(step(rule="late-arrivals", pupil=OTHER_PUPIL, as_of=day), reached(day))

    late, absent = "late-arrivals", "high-absence"
    assert sent == [
        (10, [f"{SCHOOL}/{PUPIL} {late}"]),
        (11, [f"{SCHOOL}/{OTHER_PUPIL} {absent}"]),
        (12, [f"{SCHOOL}/{OTHER_PUPIL} {late}"]),
    ]


def test_on_the_day_of_the_weekly_slot_both_are_one_message() -> None:
    telling = Telling(routing=DAILY)
    telling.fold(reached(WEDNESDAY), step(rule="late-arrivals"), step(pupil=OTHER_PUPIL))
    telling.fold(reached(THURSDAY, "15:00"))

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL, OTHER_PUPIL])]


# The order


def test_signals_stand_by_pupil_and_the_most_serious_comes_first() -> None:
    mild, serious, same_pupil = item(PUPIL, 2), item(OTHER_PUPIL, 3), item(PUPIL, 4)

    ordered = in_order([mild, serious, same_pupil])

    assert pupils(ordered) == [(PUPIL, 4), (PUPIL, 2), (OTHER_PUPIL, 3)]


def test_of_two_alike_the_one_that_has_stood_longer_comes_first() -> None:
    new, old = item(PUPIL, since=THURSDAY), item(OTHER_PUPIL, since=WEDNESDAY)

    assert pupils(in_order([new, old])) == [(OTHER_PUPIL, 2), (PUPIL, 2)]


def test_good_news_comes_last_and_apart_from_the_pupils_signals() -> None:
    good, mild, other = item(PUPIL, 4, good_news=True), item(PUPIL, 1), item(OTHER_PUPIL, 2)

    ordered = in_order([good, mild, other])

    assert [(each.about.partition("/")[2], each.good_news) for each in ordered] == [
        (OTHER_PUPIL, False),
        (PUPIL, False),
        (PUPIL, True),
    ]


@pytest.mark.parametrize("turn", range(4))
def test_the_order_does_not_depend_on_which_was_known_first(turn: int) -> None:
    items = [
        item("elev-1"),
        item("elev-2", 3),
        item("elev-1", 4, "unbroken"),
        item("elev-3", good_news=True),
    ]

    assert in_order(items[turn:] + items[:turn]) == in_order(items)


# The cap


def beyond(items: list[Item], most: int) -> list[str]:
    marked = capped(in_order(items), most)
    return [each.about.partition("/")[2] for each in marked if each.beyond_cap]


def test_a_cap_counts_pupils_in_the_order_of_the_digest() -> None:
    items = [item(f"elev-{n}", since=WEDNESDAY + timedelta(days=n)) for n in range(5)]

    assert beyond(items, 3) == ["elev-3", "elev-4"]
    assert beyond(items, 5) == []


def test_all_of_a_pupil_stands_on_one_side_of_the_cap() -> None:
    items = [
        item("elev-1"),
        item("elev-1", rule="late-arrivals"),
        item("elev-2", since=THURSDAY),
        item("elev-2", rule="late-arrivals", since=THURSDAY),
    ]

    assert beyond(items, 1) == ["elev-2", "elev-2"]


def test_level_3_and_up_is_neither_capped_nor_counted() -> None:
    serious = [item(f"serious-{n}", 3) for n in range(4)]
    mild = [item("mild-1"), item("mild-2", since=THURSDAY)]

    assert beyond(serious, 1) == []
    assert beyond([*serious, *mild], 1) == ["mild-2"]


def test_nothing_of_a_pupil_who_has_something_serious_is_capped() -> None:
    items = [item("elev-1"), item("elev-2", 4), item("elev-2", 1, "late-arrivals")]

    assert beyond(items, 1) == []


def test_good_news_and_corrections_are_neither_capped_nor_counted() -> None:
    items = [
        item("elev-1", correction=True),
        item("elev-2", good_news=True),
        item("elev-3", 4, correction=True),
        item("elev-4"),
    ]

    assert beyond(items, 1) == []


def test_a_serious_finding_that_was_corrected_takes_no_pupil_past_the_cap() -> None:
    items = [
        item("elev-1", since=date(2025, 9, 1)),
        item("elev-2", 3, correction=True),
        item("elev-2", 2, "late-arrivals"),
    ]
    marked = capped(in_order(items), 1)

    assert sum(each.beyond_cap for each in marked) == 1
    assert not any(each.beyond_cap for each in marked if each.correction)


def test_the_order_is_kept_by_the_cap() -> None:
    items = in_order([item(f"elev-{n}", 1 + n % 4) for n in range(9)])

    assert [each.opened for each in capped(items, 2)] == [each.opened for each in items]


def test_what_is_beyond_the_cap_is_told_all_the_same_and_once() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member(EHT, "eht"),
        *(pupil(f"elev-{n}") for n in range(4)),
    )
    telling = Telling(routing=Routing(cap=3), rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY), *(step(pupil=f"elev-{n}") for n in range(4)))
    telling.fold(reached(THURSDAY, "15:00"))
    (message,) = telling.send()
    telling.fold(reached(NEXT_THURSDAY, "15:00"))

    assert [each.beyond_cap for each in message.items] == [False, False, False, True]
    assert all(each.told for each in telling.desk.findings.values())
    assert telling.outbox == []


def test_the_cap_is_of_digests_and_not_of_what_goes_at_once() -> None:
    telling = Telling(routing=Routing.model_validate({"cap": 1, "routes": [{"send": "immediate"}]}))
    telling.fold(reached(WEDNESDAY), step(), step(pupil=OTHER_PUPIL), reached(WEDNESDAY, "17:15"))

    (message,) = telling.due()
    assert [each.beyond_cap for each in message.items] == [False, False]


def test_what_can_wait_for_a_digest_goes_by_mail_where_there_is_mail() -> None:
    by_sms = {"routes": [{"send": "digest", "channels": ["sms", "email"]}]}
    telling = Telling(Routing.model_validate(by_sms))
    telling.fold(reached(WEDNESDAY), step(), reached(THURSDAY, "15:00"))

    assert [each.channels for each in telling.due()] == [("email", "sms")]
