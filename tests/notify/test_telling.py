"""What steps, school time and going live change in what is to be told."""

from datetime import date, timedelta

import pytest

from services.notify.desk import Telling as Told
from services.notify.routing import Routing
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
SLOT = reached(THURSDAY, "15:00")


@pytest.fixture
def telling() -> Telling:
    telling = Telling()
    telling.fold(reached(WEDNESDAY))
    return telling


def sent(telling: Telling) -> None:
    """All that is in the outbox has reached its recipients."""
    for message in list(telling.desk.outbox.values()):
        telling.desk.drop("outbox", message.id)
        for item in message.items:
            finding = telling.desk.findings[item.signal.finding]
            told = Told(
                send="immediate" if message.kind == "immediate" else "digest",
                channels=message.channels,
                level=item.signal.level,
            )
            told_to = {**finding.told, str(message.recipient): told}
            telling.desk.put(
                "findings", item.signal.finding, finding.model_copy(update={"told": told_to})
            )


def test_a_digest_gathers_the_week_and_goes_out_at_the_set_aside_time(telling: Telling) -> None:
    telling.fold(step(), step(pupil=OTHER_PUPIL), reached(THURSDAY, "14:45"))
    before = telling.outbox
    telling.fold(SLOT)

    assert before == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL, OTHER_PUPIL])]
    assert telling.pending == []


def test_a_teachers_own_slot_goes_before_the_files() -> None:
    rows = roster(member(TEACHER, "contact_teacher", slot="wed 18:00"), pupil())
    telling = Telling(rosters={SCHOOL: rows})

    telling.fold(reached(WEDNESDAY), step(), reached(WEDNESDAY, "18:00"))

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_digest_waits_until_every_partition_has_passed_its_slot() -> None:
    telling = Telling(partitions=2)
    telling.fold(reached(WEDNESDAY), step(), SLOT, partition=0)
    telling.fold(reached(WEDNESDAY), step(pupil=OTHER_PUPIL), partition=1)
    before = telling.outbox
    telling.fold(SLOT, partition=1)

    assert before == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL, OTHER_PUPIL])]


def test_serious_signals_go_at_once_and_those_of_one_close_in_one_message(
    telling: Telling,
) -> None:
    telling.fold(step(level=3), step(level=4, pupil=OTHER_PUPIL))

    assert telling.outbox == [("immediate", TO_EHT, [OTHER_PUPIL, PUPIL])]


def test_level_1_is_told_to_nobody_until_it_is_raised(telling: Telling) -> None:
    telling.fold(step(level=1))
    before = telling.pending
    telling.fold(step("raised", level=2))

    assert before == []
    assert telling.pending == [(TO_TEACHER, PUPIL)]


def test_raised_while_it_waits_it_is_told_once_with_both_steps(telling: Telling) -> None:
    opened, raised = step(level=2), step("raised", level=3, audience=("contact_teacher",))
    telling.routing = Routing.model_validate({"routes": [{"send": "digest"}]})

    telling.fold(opened, raised, SLOT)

    (message,) = telling.desk.outbox.values()
    assert [(item.signal.level, item.steps) for item in message.items] == [
        (3, (opened.step_id, raised.step_id))
    ]


def test_raised_after_a_slot_that_waits_for_others_it_still_comes_in_it() -> None:
    telling = Telling(partitions=2)
    telling.fold(reached(WEDNESDAY), step(level=2), SLOT, partition=0)
    telling.fold(step("raised", level=2), partition=0)
    telling.fold(reached(WEDNESDAY), SLOT, partition=1)

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_raised_after_it_was_told_it_is_told_again(telling: Telling) -> None:
    telling.fold(step(), SLOT)
    sent(telling)
    telling.fold(step("raised", level=3))

    assert telling.outbox == [("immediate", TO_EHT, [PUPIL])]


@pytest.mark.parametrize("kind", ["retracted", "cleared"])
def test_what_is_gone_before_the_digest_is_never_told(telling: Telling, kind: str) -> None:
    end = step("retracted", remaining=0) if kind == "retracted" else step("cleared")

    telling.fold(step(), end, SLOT)

    assert telling.outbox == []
    assert telling.desk.findings == {}


def test_a_correction_withdraws_a_message_that_has_not_been_sent(telling: Telling) -> None:
    telling.fold(step(level=3), step("retracted", level=3, remaining=0))

    assert telling.outbox == []


def test_a_correction_takes_one_pupil_out_of_an_unsent_message(telling: Telling) -> None:
    telling.fold(step(level=3), step(level=3, pupil=OTHER_PUPIL))
    telling.fold(step("retracted", level=3, remaining=0))

    assert telling.outbox == [("immediate", TO_EHT, [OTHER_PUPIL])]


def test_one_who_was_told_at_once_is_told_of_the_correction_at_once(telling: Telling) -> None:
    telling.fold(step(level=3))
    sent(telling)
    telling.fold(step("retracted", level=3, remaining=0))

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


def test_one_who_was_told_in_a_digest_is_told_of_the_correction_in_the_next(
    telling: Telling,
) -> None:
    telling.fold(step(), SLOT)
    sent(telling)
    telling.fold(step("retracted", remaining=0))
    at_once = telling.outbox
    telling.fold(reached(date(2025, 9, 18), "15:00"))

    assert at_once == []
    assert telling.outbox == [("correction", TO_TEACHER, [PUPIL])]


def test_a_message_that_may_be_out_is_corrected_and_not_sent_again(telling: Telling) -> None:
    telling.fold(step(level=3))
    (message,) = telling.desk.outbox.values()
    telling.desk.put("outbox", message.id, message.model_copy(update={"in_doubt": True}))
    telling.fold(step("retracted", level=3, remaining=0))

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]


def test_one_who_may_know_of_a_level_is_not_told_of_a_lower_one_that_is_left(
    telling: Telling,
) -> None:
    telling.fold(step(level=3))
    (message,) = telling.desk.outbox.values()
    telling.desk.put("outbox", message.id, message.model_copy(update={"in_doubt": True}))
    telling.fold(step("retracted", level=3, remaining=2, audience=("eht",)))

    assert telling.outbox == [("correction", TO_EHT, [PUPIL])]
    assert telling.pending == []


def test_what_clears_by_itself_is_told_to_nobody(telling: Telling) -> None:
    telling.fold(step(level=3))
    sent(telling)
    telling.fold(step("cleared", level=3))

    assert telling.outbox == []


def test_a_level_that_is_left_is_told_to_those_who_are_to_know_of_it(telling: Telling) -> None:
    telling.fold(step(level=3))
    telling.fold(step("retracted", level=3, remaining=2, audience=("contact_teacher",)))

    assert telling.outbox == []
    assert telling.pending == [(TO_TEACHER, PUPIL)]


def test_a_level_that_is_left_and_only_shown_is_told_to_nobody(telling: Telling) -> None:
    telling.fold(step())
    telling.fold(step("retracted", remaining=1, audience=("contact_teacher",)), SLOT)

    assert telling.outbox == []
    assert len(telling.desk.findings) == 1


def test_history_is_told_to_nobody(telling: Telling) -> None:
    telling.fold(
        step(level=4, history=True),
        step("raised", level=4, history=True),
        step("retracted", level=4, remaining=2, history=True),
        SLOT,
    )

    assert (telling.outbox, telling.pending) == ([], [])


def test_what_is_open_when_the_school_goes_live_comes_in_the_first_digest(
    telling: Telling,
) -> None:
    telling.fold(
        step(level=4, history=True, audience=("contact_teacher",)),
        step(pupil=OTHER_PUPIL, history=True),
        step("cleared", pupil=OTHER_PUPIL, history=True),
        step(level=1, rule="late-arrivals", history=True),
        live(),
    )
    at_once = telling.outbox
    telling.fold(SLOT)

    assert at_once == []
    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_the_start_list_is_told_once_however_many_partitions_say_so() -> None:
    telling = Telling(partitions=2)
    for partition in (0, 1):
        telling.fold(reached(WEDNESDAY), partition=partition)
    telling.fold(step(history=True), live(), partition=0)
    telling.fold(live(), partition=1)
    for partition in (0, 1):
        telling.fold(SLOT, partition=partition)
    sent(telling)
    for partition in (0, 1):
        telling.fold(live(), reached(date(2025, 9, 18), "15:00"), partition=partition)

    assert (telling.outbox, telling.pending) == ([], [])


def test_a_school_that_goes_live_late_has_its_start_list_in_a_slot_to_come(
    telling: Telling,
) -> None:
    telling.fold(step(history=True), SLOT, live(WEDNESDAY), reached(THURSDAY, "15:15"))

    assert telling.outbox == []
    assert telling.pending == [(TO_TEACHER, PUPIL)]


def test_a_held_start_list_waits_for_the_school_to_go_live_again(telling: Telling) -> None:
    telling.routing = Routing(start_list="hold")
    telling.fold(step(history=True), live(), SLOT)
    held = telling.pending
    telling.fold(live(FRIDAY))

    assert held == []
    assert telling.pending == [(TO_TEACHER, PUPIL)]


def test_a_held_start_list_is_released_by_the_routing_file(telling: Telling) -> None:
    telling.routing = Routing(start_list="hold")
    telling.fold(step(history=True), live())
    telling.routing = Routing()
    telling.fold(SLOT, reached(date(2025, 9, 18), "15:00"))

    assert telling.outbox == [("digest", TO_TEACHER, [PUPIL])]


def test_a_school_that_is_not_live_has_no_start_list(telling: Telling) -> None:
    telling.fold(step(history=True), live(school="skola-2"), SLOT)

    assert (telling.outbox, telling.pending) == ([], [])


def test_telling_goes_by_the_roster_of_the_day_that_school_time_has_reached() -> None:
    rows = roster(
        member(TEACHER, "contact_teacher"),
        member("kt-2", "contact_teacher"),
        pupil(PUPIL, TEACHER),
        pupil(PUPIL, "kt-2", valid_from=FRIDAY),
    )
    telling = Telling(rosters={SCHOOL: rows})
    telling.fold(reached(FRIDAY), step(as_of=WEDNESDAY))

    assert telling.pending == [(f"{SCHOOL}/kt-2", PUPIL)]


def test_a_step_before_any_school_time_comes_just_before_its_days_close() -> None:
    telling = Telling()

    telling.fold(step())

    (item,) = telling.desk.pending.values()
    assert item.after == at(WEDNESDAY, "17:00") - timedelta(seconds=1)


def test_every_decision_is_counted(telling: Telling) -> None:
    telling.fold(
        step(level=1),
        step(pupil=OTHER_PUPIL),
        step(level=3, pupil="elev-3"),
        step(pupil="elev-99"),
        step(pupil="elev-4", history=True),
    )

    assert telling.desk.take_routed() == ["shown", "digest", "immediate", "fallback", "history"]
