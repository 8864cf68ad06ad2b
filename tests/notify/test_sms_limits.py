"""How many SMS a person may get in a day and a school in a month."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notify.desk import Desk
from services.notify.routing import SmsLimits
from services.notify.rows import Recipient
from services.notify.sms_limits import count, reached
from tests.notify.examples import EHT, SCHOOL, TEACHER, THURSDAY

TEACHERS, EHTS = Recipient(SCHOOL, TEACHER), Recipient(SCHOOL, EHT)
LIMITS = SmsLimits(person_day=2, school_month=3)


def test_the_limit_itself_may_be_sent_and_one_more_may_not() -> None:
    desk = Desk()

    assert reached(desk, LIMITS, TEACHERS, THURSDAY) is None
    count(desk, TEACHERS, THURSDAY)
    assert reached(desk, LIMITS, TEACHERS, THURSDAY) is None
    count(desk, TEACHERS, THURSDAY)
    assert reached(desk, LIMITS, TEACHERS, THURSDAY) == "person_day"
    assert reached(desk, LIMITS, EHTS, THURSDAY) is None
    assert reached(desk, LIMITS, TEACHERS, THURSDAY + timedelta(1)) is None


def test_a_schools_month_counts_all_of_its_people_and_no_other_school() -> None:
    desk = Desk()
    for recipient in (TEACHERS, EHTS, Recipient(SCHOOL)):
        count(desk, recipient, THURSDAY)

    assert reached(desk, LIMITS, EHTS, THURSDAY + timedelta(5)) == "school_month"
    assert reached(desk, LIMITS, Recipient("skola-2", EHT), THURSDAY) is None
    assert reached(desk, LIMITS, EHTS, date(2025, 10, 1)) is None


def test_no_sms_at_all_is_a_limit_too() -> None:
    assert reached(Desk(), SmsLimits(person_day=0), EHTS, THURSDAY) == "person_day"
    assert reached(Desk(), SmsLimits(school_month=0), EHTS, THURSDAY) == "school_month"


@given(
    st.lists(
        st.tuples(st.sampled_from([TEACHERS, EHTS]), st.integers(0, 200)), min_size=1, max_size=80
    )
)
def test_counts_are_right_and_old_ones_are_forgotten(sent: list[tuple[Recipient, int]]) -> None:
    desk, first = Desk(), date(2025, 8, 18)
    sent.sort(key=lambda each: each[1])
    for recipient, day in sent:
        count(desk, recipient, first + timedelta(day))

    on = first + timedelta(sent[-1][1])
    month = sum((first + timedelta(day)).strftime("%Y-%m") == f"{on:%Y-%m}" for _, day in sent)
    today = sum(who == TEACHERS and first + timedelta(day) == on for who, day in sent)
    full = SmsLimits(person_day=1000, school_month=month)
    assert reached(desk, full, TEACHERS, on) == "school_month"
    assert reached(desk, SmsLimits(person_day=1000, school_month=month + 1), TEACHERS, on) is None
    assert reached(desk, SmsLimits(person_day=today + 1), TEACHERS, on) is None
    assert today == 0 or reached(desk, SmsLimits(person_day=today), TEACHERS, on) == "person_day"
    assert all(each.on >= on - timedelta(62) for each in desk.spent.values())
