"""The desk finds at once what stands of somebody, whatever came and went before."""

from hypothesis import given
from hypothesis import strategies as st

from services.notify.desk import Desk
from services.notify.rows import Finding, about
from tests.notify.examples import WEDNESDAY, at

WHO = (("elev-1", ""), ("elev-10", ""), ("", "class/7a"))
RULES = ("high-absence", "late-arrivals")

CHANGES = st.lists(
    st.tuples(st.booleans(), st.sampled_from(WHO), st.sampled_from(RULES), st.integers(1, 4)),
    max_size=30,
)


def finding(who: tuple[str, str], rule: str, level: int) -> Finding:
    came, step = at(WEDNESDAY, "17:00"), f"{who} {rule}"
    return Finding(
        "skola-1",
        *who,
        rule,
        level,
        WEDNESDAY,
        opened=step,
        steps=(step,),
        shows=step,
        as_of=WEDNESDAY,
        came=came,
        first=came,
        audience=("contact_teacher",),
    )


@given(CHANGES)
def test_of_somebody_stands_what_was_put_and_not_dropped(
    changes: list[tuple[bool, tuple[str, str], str, int]],
) -> None:
    desk = Desk()
    for kept, who, rule, level in changes:
        one = finding(who, rule, level)
        if kept:
            desk.put("findings", one.key, one)
        else:
            desk.drop("findings", one.key)

        for school, (pupil, unit) in (("skola-1", who) for who in WHO):
            name = about(school, pupil, unit)
            stands = [each for each in desk.findings.values() if each.about == name]
            assert desk.of(name) == sorted(stands, key=lambda each: each.rule)
            assert Desk(findings=dict(desk.findings)).of(name) == desk.of(name)
