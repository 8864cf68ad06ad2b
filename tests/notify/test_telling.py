"""What is told when school time moves on, and what each outcome of a try leaves to tell."""

from datetime import date, timedelta

import pytest

from services.notify.routing import Routing
from services.notify.rows import Outgoing
from shared.events import CaseMessage
from tests.notify.examples import (
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
    live,
    member,
    pupil,
    reached,
    roster,
    step,
)

TO_TEACHER, TO_EHT = f"{SCHOOL}/{TEACHER}", f"{SCHOOL}/{EHT}"
KEY = f"{SCHOOL}/{PUPIL} high-absence"
SOON = reached(WEDNESDAY, "17:15")
SLOT, NEXT_SLOT = reached(THURSDAY, "15:00"), reached(date(2025, 9, 18), "15:00")


@pytest.fixture
def telling() -> Telling:
    telling = Telling()
    telling.fold(reached(WEDNESDAY))
    return telling


def tried(telling: Telling, *messages: CaseMessage) -> Outgoing:
    """The one message that comes of some steps, when its first try has begun."""
    telling.fold(*messages, SOON)
    (message,) = telling.try_all()
    return message


# In the digest and at once


def test_a_digest_gathers_the_week_and_goes_out_at_the_set_aside_time(telling: Telling) -> None:
    telling.fold(step(), step(pupil=OTHER_PUPIL), reached(THURSDAY, "14:45"))
    before = telling.outbox
    telling.fold(SLOT)

    assert before == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL, OTHER_PUPIL])]
    assert telling.owed == []


def test_a_teachers_own_slot_goes_before_the_files() -> None:
    rows = roster(member(TEACHER, "contact_teacher", slot="wed 17:30"), pupil())
    telling = Telling(rosters={SCHOOL: rows})

    telling.fold(reached(WEDNESDAY), step(), reached(WEDNESDAY, "17:30"))

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_digest_waits_until_every_partition_has_passed_its_slot() -> None:
    telling = Telling(partitions=2)
    telling.fold(reached(WEDNESDAY), step(), SLOT, partition=0)
    telling.fold(reached(WEDNESDAY), step(pupil=OTHER_PUPIL), partition=1)
    before = telling.outbox
    telling.fold(SLOT, partition=1)

    assert before == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL, OTHER_PUPIL])]


def test_what_comes_after_the_slot_waits_for_the_next(telling: Telling) -> None:
    telling.fold(step(), SLOT, step(pupil=OTHER_PUPIL), reached(THURSDAY, "15:15"))
    first = telling.outbox
    telling.send()
    telling.fold(NEXT_SLOT)

    assert first == [("digest", TO_TEACHER, [PUPIL])]
    assert telling.outbox == [("digest", TO_TEACHER, [OTHER_PUPIL])]


def test_a_missed_slot_joins_the_next(telling: Telling) -> None:
    telling.fold(step(), reached(date(2025, 9, 19), "08:00"))

    (message,) = telling.due()
    assert message.made == at(date(2025, 9, 18), "15:00")
    assert message.id == f"{TO_TEACHER} 2025-09-18T15:00:00+02:00"


def test_a_digest_tells_what_stands_when_it_is_tried(telling: Telling) -> None:
    telling.fold(step(), step(pupil=OTHER_PUPIL), step(pupil="elev-3"), SLOT)
    telling.fold(
        step("raised", level=3, pupil=OTHER_PUPIL, audience=("contact_teacher",)),
        step("cleared", pupil="elev-3"),
    )

    (message,) = telling.try_all()

    assert [(item.about, item.level) for item in message.items] == [
        (f"{SCHOOL}/{OTHER_PUPIL}", 3),
        (f"{SCHOOL}/{PUPIL}", 2),
    ]


def test_serious_signals_go_at_once_and_those_of_one_close_in_one_message(
    telling: Telling,
) -> None:
    telling.fold(step(level=3), step(level=4, pupil=OTHER_PUPIL))
    before = telling.outbox
    telling.fold(SOON)

    assert before == []
    assert telling.outbox == [("immediate", TO_EHT, [OTHER_PUPIL, PUPIL])]


def test_what_goes_at_once_waits_until_every_partition_has_closed_the_day() -> None:
    telling = Telling(partitions=2)
    telling.fold_all(reached(WEDNESDAY, "16:45"))
    telling.fold(step(level=3), reached(WEDNESDAY), partition=0)
    before = telling.outbox
    telling.fold(step(level=3, pupil=OTHER_PUPIL), reached(WEDNESDAY), partition=1)

    assert before == []
    assert telling.outbox == [("immediate", TO_EHT, [PUPIL, OTHER_PUPIL])]


@pytest.mark.parametrize(
    ("day", "kinds"),
    [(FRIDAY, ["immediate"]), (date(2025, 9, 15), [])],
    ids=["two school days old", "three school days old"],
)
def test_what_is_older_than_two_school_days_waits_for_the_digest(
    telling: Telling, day: date, kinds: list[str]
) -> None:
    telling.fold(reached(day, "16:45"), step(level=3, as_of=WEDNESDAY), reached(day))
    at_once = [kind for kind, _, _ in telling.outbox]
    telling.send()
    telling.fold(NEXT_SLOT)

    assert at_once == kinds
    assert [kind for kind, _, _ in telling.outbox] == ([] if kinds else ["digest"])


def test_old_news_comes_in_a_digest_though_its_slot_lies_in_quiet_hours() -> None:
    rows = roster(member(EHT, "eht", slot="thu 06:30"), pupil())
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(WEDNESDAY), step(level=3, as_of=date(2025, 9, 1)))
    telling.fold(reached(THURSDAY, "06:30"), reached(THURSDAY, "07:00"))

    assert telling.outbox == [("digest", TO_EHT, [PUPIL])]


# Levels


def test_level_1_is_told_to_nobody_until_it_is_raised(telling: Telling) -> None:
    telling.fold(step(level=1))
    before = telling.owed
    telling.fold(step("raised", level=2))

    assert before == []
    assert telling.owed == [(TO_TEACHER, PUPIL)]


def test_raised_while_it_waits_it_is_told_once_with_both_steps(telling: Telling) -> None:
    opened, raised = step(level=2), step("raised", level=3, audience=("contact_teacher",))
    telling.routing = Routing.model_validate({"routes": [{"send": "digest"}]})

    telling.fold(opened, raised, SLOT)

    (message,) = telling.due()
    assert [(item.level, item.steps) for item in message.items] == [
        (3, (opened.step_id, raised.step_id))
    ]


def test_raised_after_a_slot_that_waits_for_others_it_still_comes_in_it() -> None:
    telling = Telling(partitions=2)
    telling.fold(reached(WEDNESDAY), step(level=2), SLOT, partition=0)
    telling.fold(step("raised", level=2), partition=0)
    telling.fold(reached(WEDNESDAY), SLOT, partition=1)

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_raise_told_while_an_earlier_try_is_under_way_is_not_told_again_when_that_fails(
    telling: Telling,
) -> None:
    first = tried(telling, step(level=3))
    telling.fold(step("raised", level=4), reached(WEDNESDAY, "17:30"))
    (raised,) = [each for each in telling.try_all() if each.id != first.id]
    telling.take(raised)
    telling.refuse(first)

    assert telling.outbox == []
    assert telling.desk.findings[KEY].told[TO_EHT].level == 4


@pytest.mark.parametrize("first_got_through", [True, False])
def test_of_two_tries_of_one_finding_each_outcome_counts_by_itself(
    telling: Telling, *, first_got_through: bool
) -> None:
    first = tried(telling, step(level=3))
    telling.fold(step("raised", level=4), reached(WEDNESDAY, "17:30"))
    (raised,) = [each for each in telling.try_all() if each.id != first.id]
    if first_got_through:
        telling.take(first)
    else:
        telling.refuse(first)
    telling.refuse(raised)

    known = telling.desk.findings[KEY].told.get(TO_EHT)
    assert (known.level if known else 0) == (3 if first_got_through else 0)
    assert known is None or not known.in_doubt
    telling.send()
    assert telling.desk.findings[KEY].told[TO_EHT].level == 4
    assert telling.outbox == []


def test_raised_after_it_was_told_it_is_told_again(telling: Telling) -> None:
    telling.fold(step(audience=("eht",)), SLOT)
    telling.send()
    telling.fold(step("raised", level=3, as_of=THURSDAY), reached(THURSDAY, "15:15"))
    raised = telling.outbox
    telling.send()
    telling.fold(NEXT_SLOT)

    assert raised == [("immediate", TO_EHT, [PUPIL])]
    assert telling.outbox == []


def test_raised_while_an_earlier_message_is_in_doubt_it_does_not_wait_for_its_outcome(
    telling: Telling,
) -> None:
    doubtful = tried(telling, step(level=3))
    telling.fold(step("raised", level=4), reached(WEDNESDAY, "17:30"))

    raised = [message for message in telling.due() if message.id != doubtful.id]
    assert [(item.level, item.about) for message in raised for item in message.items] == [
        (4, f"{SCHOOL}/{PUPIL}")
    ]


def test_an_outcome_of_an_old_message_does_not_undo_that_a_raise_was_told(
    telling: Telling,
) -> None:
    doubtful = tried(telling, step(level=3))
    telling.fold(step("raised", level=4), reached(WEDNESDAY, "17:30"))
    for message in telling.try_all():
        if message.id != doubtful.id:
            telling.take(message)
    telling.take(doubtful)
    telling.fold(reached(WEDNESDAY, "17:45"), NEXT_SLOT)

    assert telling.desk.findings[KEY].told[TO_EHT].level == 4
    assert telling.outbox == []


@pytest.mark.parametrize("kind", ["retracted", "cleared"])
def test_what_is_gone_before_the_digest_is_never_told(telling: Telling, kind: str) -> None:
    end = step("retracted", remaining=0) if kind == "retracted" else step("cleared")

    telling.fold(step(), end, SLOT)

    assert telling.outbox == []
    assert telling.desk.findings == {}


def test_a_level_that_is_left_is_told_to_those_who_are_to_know_of_it(telling: Telling) -> None:
    telling.fold(step(level=3), SOON)
    telling.fold(step("retracted", level=3, remaining=2, audience=("contact_teacher",)))

    assert telling.outbox == []
    assert telling.owed == [(TO_TEACHER, PUPIL)]


def test_what_falls_to_a_level_of_the_digest_goes_at_once_no_more(telling: Telling) -> None:
    telling.fold(step(level=3), SOON)
    telling.fold(step("retracted", level=3, remaining=2, audience=("eht",)))
    at_once = telling.outbox
    telling.send()
    telling.fold(SLOT)

    assert at_once == []
    assert telling.outbox == [("digest", TO_EHT, [PUPIL])]


def test_a_level_that_is_left_and_only_shown_is_told_to_nobody(telling: Telling) -> None:
    telling.fold(step())
    telling.fold(step("retracted", remaining=1, audience=("contact_teacher",)), SLOT)

    assert telling.outbox == []
    assert len(telling.desk.findings) == 1


def test_what_opens_again_after_it_had_cleared_is_told_again(telling: Telling) -> None:
    telling.fold(step(level=3), SOON)
    telling.send()
    telling.fold(step("cleared", level=3), step(level=3), reached(WEDNESDAY, "17:30"))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


# Corrections


def test_a_correction_withdraws_a_message_that_has_not_been_sent(telling: Telling) -> None:
    telling.fold(step(level=3), SOON, step("retracted", level=3, remaining=0))

    assert telling.send() == []
    assert telling.waiting == {}


def test_a_correction_takes_one_pupil_out_of_an_unsent_message(telling: Telling) -> None:
    telling.fold(step(level=3), step(level=3, pupil=OTHER_PUPIL), SOON)
    telling.fold(step("retracted", level=3, remaining=0))

    assert telling.outbox == [("immediate", TO_EHT, [OTHER_PUPIL])]


def test_one_who_was_told_at_once_is_told_of_the_correction_at_once(telling: Telling) -> None:
    telling.fold(step(level=3), SOON)
    telling.send()
    telling.fold(step("retracted", level=3, remaining=0), reached(WEDNESDAY, "17:30"))

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


def test_one_who_was_told_in_a_digest_is_told_of_the_correction_in_the_next(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(step("retracted", remaining=0), reached(THURSDAY, "15:15"))
    at_once = telling.outbox
    telling.fold(NEXT_SLOT)

    assert at_once == []
    assert telling.outbox == [("correction", TO_TEACHER, [PUPIL])]


def test_a_correction_is_told_once(telling: Telling) -> None:
    telling.fold(step(level=3), SOON)
    telling.send()
    telling.fold(step("retracted", level=3, remaining=0), reached(WEDNESDAY, "17:30"))
    telling.send()
    telling.fold(reached(WEDNESDAY, "17:45"), NEXT_SLOT)

    assert telling.outbox == []
    assert telling.desk.corrections == {}


def test_corrected_twice_before_it_is_told_it_is_told_once(telling: Telling) -> None:
    telling.fold(step(level=4), SOON)
    telling.send()
    last = step("retracted", level=3, remaining=0)
    telling.fold(
        step("retracted", level=4, remaining=3, audience=("eht",)),
        reached(WEDNESDAY, "17:30"),
        last,
        reached(WEDNESDAY, "17:45"),
    )

    (message,) = telling.send()
    assert message.kind == "correction"
    assert [item.steps for item in message.items] == [(last.step_id,)]
    assert telling.desk.corrections == {}


def test_a_correction_says_what_was_told_and_goes_with_other_news_in_a_digest(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(step("retracted", remaining=0), step(pupil=OTHER_PUPIL), NEXT_SLOT)

    (message,) = telling.due()
    assert message.kind == "digest"
    assert {(item.about, item.correction) for item in message.items} == {
        (f"{SCHOOL}/{OTHER_PUPIL}", False),
        (f"{SCHOOL}/{PUPIL}", True),
    }


def test_corrected_and_raised_again_both_are_told(telling: Telling) -> None:
    telling.fold(step(level=4), SOON)
    telling.send()
    telling.fold(
        step("retracted", level=4, remaining=3, audience=("eht",)),
        step("raised", level=4),
        reached(WEDNESDAY, "17:30"),
    )

    assert sorted(telling.outbox) == [
        ("correction", TO_EHT, [PUPIL]),
        ("immediate", TO_EHT, [PUPIL]),
    ]


def test_a_message_that_may_be_out_repeats_as_it_was_and_then_is_corrected(
    telling: Telling,
) -> None:
    doubtful = tried(telling, step(level=3))
    telling.fold(step("retracted", level=3, remaining=0), reached(WEDNESDAY, "17:30"))
    (again,) = telling.due()
    telling.take(again)
    telling.fold(reached(WEDNESDAY, "17:45"))

    assert (again.id, again.items, again.token) == (doubtful.id, doubtful.items, doubtful.token)
    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


def test_a_message_in_doubt_that_is_given_up_is_corrected_all_the_same(telling: Telling) -> None:
    doubtful = tried(telling, step(level=3))
    telling.fold(step("retracted", level=3, remaining=0), reached(WEDNESDAY, "17:30"))
    telling.give_up(doubtful, in_doubt=True)
    telling.fold(reached(WEDNESDAY, "17:45"))

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


def test_one_who_may_know_of_a_level_is_not_told_of_a_lower_one_that_is_left(
    telling: Telling,
) -> None:
    tried(telling, step(level=3))
    telling.fold(step("retracted", level=3, remaining=2, audience=("eht",)))
    telling.fold(reached(WEDNESDAY, "17:30"))
    telling.send()
    telling.fold(reached(WEDNESDAY, "17:45"))

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]
    assert telling.owed == []


def test_what_clears_by_itself_is_told_to_nobody(telling: Telling) -> None:
    telling.fold(step(level=3), SOON)
    telling.send()
    telling.fold(step("cleared", level=3), reached(WEDNESDAY, "17:30"))

    assert telling.outbox == []
    assert telling.owed == []


# When it is known that a try reached nobody


def test_what_reached_nobody_is_told_as_it_stands_at_the_next_try(telling: Telling) -> None:
    telling.refuse(tried(telling, step(level=3), step(level=3, pupil=OTHER_PUPIL)))
    telling.fold(step("raised", level=4), step("cleared", level=3, pupil=OTHER_PUPIL))

    (message,) = telling.try_all()

    assert [(item.about, item.level) for item in message.items] == [(f"{SCHOOL}/{PUPIL}", 4)]


@pytest.mark.parametrize("left", [0, 1])
def test_nobody_is_corrected_who_was_not_reached(telling: Telling, left: int) -> None:
    message = tried(telling, step(level=3))
    telling.fold(step("retracted", level=3, remaining=left))
    telling.refuse(message)
    telling.fold(reached(WEDNESDAY, "17:30"), NEXT_SLOT)

    assert telling.outbox == []
    assert telling.owed == []


def test_one_who_knew_before_a_try_that_failed_is_corrected(telling: Telling) -> None:
    telling.fold(step(level=3), SOON)
    telling.send()
    telling.fold(step("raised", level=4), reached(WEDNESDAY, "17:30"))
    (message,) = telling.try_all()
    telling.fold(step("retracted", level=4, remaining=0))
    telling.refuse(message)
    telling.fold(reached(WEDNESDAY, "17:45"))

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


def test_what_was_taken_back_during_a_try_that_failed_is_told_when_it_rises_again(
    telling: Telling,
) -> None:
    telling.fold(step(level=3), SOON)
    telling.send()
    telling.fold(step("raised", level=4), reached(WEDNESDAY, "17:30"))
    (message,) = telling.try_all()
    telling.fold(step("retracted", level=4, remaining=2, audience=("eht",)))
    telling.refuse(message)
    telling.fold(step("raised", level=3), reached(WEDNESDAY, "17:45"))

    told = [kind for kind, _, pupils in telling.outbox if pupils == [PUPIL]]
    assert "immediate" in told


def test_what_is_given_up_is_not_tried_again_by_itself(telling: Telling) -> None:
    telling.give_up(tried(telling, step(level=3)))
    telling.fold(reached(WEDNESDAY, "17:30"), SLOT, NEXT_SLOT)

    assert telling.outbox == []


def test_a_raise_is_told_though_an_earlier_message_was_given_up(telling: Telling) -> None:
    telling.give_up(tried(telling, step(level=3)))
    telling.fold(step("raised", level=4), reached(WEDNESDAY, "17:30"))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


# A start list


def test_history_is_told_to_nobody(telling: Telling) -> None:
    telling.fold(
        step(level=4, history=True),
        step("raised", level=4, history=True),
        step("retracted", level=4, remaining=2, history=True),
        SLOT,
    )

    assert (telling.outbox, telling.owed) == ([], [])


def test_what_is_open_when_the_school_goes_live_comes_in_the_first_digest(
    telling: Telling,
) -> None:
    telling.fold(
        step(level=4, history=True, audience=("contact_teacher",)),
        step(pupil=OTHER_PUPIL, history=True),
        step("cleared", pupil=OTHER_PUPIL, history=True),
        step(level=1, rule="late-arrivals", history=True),
        live(),
        SOON,
    )
    at_once = telling.outbox
    telling.fold(SLOT)

    assert at_once == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_the_start_list_is_told_once_however_many_partitions_say_so() -> None:
    telling = Telling(partitions=2)
    telling.fold_all(reached(WEDNESDAY))
    telling.fold(step(history=True), live(), partition=0)
    telling.fold(live(), partition=1)
    telling.fold_all(SLOT)
    told = telling.send()
    telling.fold_all(live(), NEXT_SLOT)

    assert len(told) == 1
    assert (telling.outbox, telling.owed) == ([], [])


def test_a_school_that_goes_live_late_has_its_start_list_in_a_slot_to_come(
    telling: Telling,
) -> None:
    telling.fold(step(history=True), SLOT, live(WEDNESDAY), reached(THURSDAY, "15:15"))
    passed = telling.outbox
    telling.fold(NEXT_SLOT)

    assert passed == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_held_start_list_waits_for_the_school_to_go_live_again(telling: Telling) -> None:
    telling.routing = Routing(start_list="hold")
    telling.fold(step(history=True), live(), SLOT)
    held = telling.owed
    telling.fold(live(FRIDAY))

    assert held == []
    assert telling.owed == [(TO_TEACHER, PUPIL)]


def test_a_held_start_list_is_released_by_the_routing_file(telling: Telling) -> None:
    telling.routing = Routing(start_list="hold")
    telling.fold(step(history=True), live())
    telling.routing = Routing()
    telling.fold(SLOT, NEXT_SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_school_that_is_not_live_has_no_start_list(telling: Telling) -> None:
    telling.fold(step(history=True), live(school="skola-2"), SLOT)

    assert (telling.outbox, telling.owed) == ([], [])


def test_what_rises_after_a_start_list_is_news(telling: Telling) -> None:
    telling.fold(step(level=2, history=True), live(), SLOT)
    telling.send()
    telling.fold(step("raised", level=3, as_of=THURSDAY), reached(THURSDAY, "15:15"))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


# The days and files by which it is decided


def test_telling_goes_by_the_roster_of_the_day_that_school_time_has_reached() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member("kt-2", "contact_teacher"),
        pupil(PUPIL, TEACHER),
        pupil(PUPIL, "kt-2", valid_from=FRIDAY),
    )
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(FRIDAY), step(as_of=WEDNESDAY))

    assert telling.owed == [(f"{SCHOOL}/kt-2", PUPIL)]


def test_a_step_before_any_school_time_comes_just_before_its_days_close() -> None:
    telling = Telling()

    telling.fold(step())

    assert telling.desk.findings[KEY].came == at(WEDNESDAY, "17:00") - timedelta(seconds=1)


def test_a_new_routing_file_decides_of_what_was_only_shown(telling: Telling) -> None:
    telling.fold(step(level=1), SOON)
    telling.routing = Routing.model_validate({"routes": [{"send": "immediate"}]})
    telling.fold(reached(WEDNESDAY, "17:30"))

    assert telling.outbox == [("immediate", TO_TEACHER, [PUPIL])]


def test_a_new_roster_decides_of_what_nobody_could_be_told(telling: Telling) -> None:
    telling.rosters = {SCHOOL: roster(member(EHT, "eht"), pupil())}
    telling.fold(step(level=3, audience=("rektor",)), SOON)
    stands_in = telling.outbox
    telling.send()
    telling.rosters = {SCHOOL: roster(member(EHT, "eht"), member("rek-1", "rektor"), pupil())}
    telling.fold(reached(WEDNESDAY, "17:30"))

    assert stands_in == [("immediate", TO_EHT, [PUPIL])]
    assert telling.outbox == [("immediate", f"{SCHOOL}/rek-1", [PUPIL])]


def test_every_decision_is_counted(telling: Telling) -> None:
    telling.fold(
        step(level=1),
        step(pupil=OTHER_PUPIL),
        step(level=3, pupil="elev-3"),
        step(pupil="elev-99"),
        step(pupil="elev-4", history=True),
        SOON,
        SLOT,
    )

    assert telling.desk.take_routed() == ["immediate", "digest", "fallback"]


def test_one_who_was_owed_a_lower_level_is_told_of_the_finding_though_it_rose_meanwhile(
    telling: Telling,
) -> None:
    telling.fold(step(), step("raised", level=3), reached(WEDNESDAY, "17:15"))

    at_once = telling.outbox
    telling.send()
    telling.fold(SLOT)

    assert at_once == [("immediate", TO_EHT, [PUPIL])]
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_one_to_whom_a_lower_level_was_only_shown_is_told_of_no_raise_that_concerns_others(
    telling: Telling,
) -> None:
    telling.fold(step(level=1, audience=("eht",)), step("raised"), SLOT)

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_one_who_was_told_of_a_lower_level_is_not_told_of_a_raise_that_concerns_others(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    telling.send()
    telling.fold(step("raised", level=3, as_of=THURSDAY), reached(THURSDAY, "17:00"))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]
