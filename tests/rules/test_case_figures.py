"""Figures of a case, of random findings, tellings and answers, as the oracle measures them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from services.rules.case import Ended, Finding, Reached
from services.rules.case_figures import (
    OnRecord,
    findings,
    oldest_open,
    on_record,
    relapses,
    unanswered,
)
from services.rules.closing import Asked, Closing
from services.rules.indicators import figure_of
from services.rules.judges import Judges
from services.rules.pupil import Answer, Pupil, Told
from shared.indicators import FigureKey
from shared.rulebook import Condition, Rulebook
from tests.oracle import files as oracle
from tests.oracle.sight import CaseSight, Judged, Talk
from tests.oracle.sight import OnRecord as OracleRecord
from tests.rules.random_school import CALENDAR, RandomSchool, close_of

DAYS = CALENDAR.school_days
SECOND_YEAR = DAYS.index(date(2025, 11, 17))
SEEDS = range(4)
PUPILS = 16

ORDINARY = ("lates", "run", "share", "leave")
OTHERS = ("tried", "cheer", "gone")
"""In shadow, good news, and of a rule that the rulebook has no more."""


def _rule(name: str, condition: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": name, "title": {"sv": name, "en": name}, "levels": {1: condition}, **more}


REMINDER = "reminder"
TOLD_OF = (*ORDINARY, *ORDINARY, *OTHERS, *([REMINDER] * 4))
"""Of what tellings tell: mostly of what an answer is wanted for, and of reminders."""

WINDOWS = (1, 2, 3, 5, 10, 30)
NAMED: Sequence[tuple[str, ...]] = ((), ("lates",), ("lates", "run", "share"))

CONDITIONS: list[dict[str, Any]] = [
    *(
        {"indicator": "findings", "days": days, "level": level, "at_least": 1}
        | ({"rules": list(named)} if named else {})
        for days in WINDOWS
        for level in (1, 2, 3, 4)
        for named in NAMED
    ),
    *({"indicator": "relapse", "days": days, "at_least": "0.1"} for days in WINDOWS),
    *({"indicator": "improvement", "days": days, "at_most": "0.5"} for days in WINDOWS),
    {"indicator": "unanswered", "at_least": 1},
]
ABSENT: dict[str, Any] = {"indicator": "absent_run", "at_least": 1}

BOOK: dict[str, Any] = {
    "rules": [
        *(_rule(name, ABSENT) for name in ORDINARY),
        _rule("tried", ABSENT, shadow=True),
        _rule("cheer", ABSENT, good_news=True),
        _rule(REMINDER, {"indicator": "unanswered", "at_least": 5}),
        *(_rule(f"on-a-case-{number}", each) for number, each in enumerate(CONDITIONS)),
    ],
}
RULEBOOK = Rulebook.model_validate(BOOK)
JUDGES = Judges(RULEBOOK)
OTHER_RULEBOOK = oracle.Rulebook(BOOK, "alvik")


@dataclass
class RandomCase:
    """What is on record of a pupil, as the service holds it and as the oracle does."""

    records: list[OracleRecord]
    talk: Talk
    ended: dict[str, list[date]]


def random_case(random: Random, pupil: Pupil) -> RandomCase:
    """Lay findings, tellings and answers of a pupil into the service; what the oracle knows."""
    known: list[OracleRecord] = []
    ended: dict[str, list[date]] = defaultdict(list)
    for rule in (*ORDINARY, *OTHERS):
        for _ in range(random.choice((0, 0, 1, 2))):
            since = random.randrange(len(DAYS))
            length = random.choice((1, 2, 4, 8))
            levels = {day: random.randint(1, 4) for day in DAYS[since : since + length]}
            levels = {day: level for day, level in levels.items() if random.random() < 0.8}
            levels[DAYS[since]] = random.randint(1, 4)
            reached = _reached(levels)
            last = DAYS.index(max(levels))
            end = min(len(DAYS) - 1, last + random.choice((0, 1, 3, 12)))
            fate = random.choice(("stands", "cleared", "cleared", "taken away"))
            if fate == "stands" and rule not in pupil.findings:
                ordinals = {day.toordinal(): level for day, level in levels.items()}
                highest = max(levels.values())
                pupil.findings[rule] = Finding(highest, DAYS[since], ordinals, reached=reached)
                known.append(OracleRecord(rule, DAYS[since], levels, None))
            else:
                first, last = DAYS[since].toordinal(), DAYS[end].toordinal()
                pupil.ended.append(Ended(rule, first, last, fate != "taken away", reached))
                ended[rule].append(DAYS[end])
                if fate != "taken away":
                    known.append(OracleRecord(rule, DAYS[since], levels, DAYS[end]))
    return RandomCase(known, _talk(random, pupil), ended)


def _reached(levels: dict[date, int]) -> Reached:
    def first(level: int) -> int:
        days = [day.toordinal() for day, held in levels.items() if held >= level]
        return min(days, default=0)

    return first(1), first(2), first(3), first(4)


def _talk(random: Random, pupil: Pupil) -> Talk:
    """Tellings, and fewer answers; also on days without school."""
    days, answers = (
        [DAYS[0] + timedelta(days=random.randrange(120)) for _ in range(random.randint(0, most))]
        for most in (5, 3)
    )
    told = [(day, tuple(random.sample(TOLD_OF, random.choice((0, 1, 1, 2))))) for day in days]
    pupil.told = sorted(Told(day.toordinal(), "staff", rules) for day, rules in told)
    pupil.answers = sorted(Answer(day.toordinal(), "talked", "staff", 0) for day in answers)
    return Talk(
        [{"on": day, "rules": rules} for day, rules in told], [{"on": day} for day in answers]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_figures_of_random_cases_are_the_oracles(seed: int) -> None:
    random, made = Random(seed), RandomSchool(seed, PUPILS)
    cases = [random_case(random, pupil) for pupil in made.pupils]
    sights = [
        CaseSight(figures, case.records, case.talk, case.ended)
        for figures, case in zip(made.figures, cases, strict=True)
    ]
    closing = Closing([made.school.part(close_of(DAYS[-1], JUDGES))])
    (part,) = closing.parts
    asked = [Asked(part, pupil, day) for pupil in made.pupils for day in random.sample(DAYS, 10)]

    found = closing.find(asked, JUDGES.case)

    for (_, pupil, day), each in zip(asked, found, strict=True):
        for condition in CONDITIONS:
            key = _key(condition)
            value, lessons = sights[pupil.slot].measure(condition, Judged(day, OTHER_RULEBOOK))
            assert figure_of(each.figures[key], each.column) == value, (key, day)
            if value:
                names = {name for name, _ in closing.evidence(each).lessons(key)}
                assert names == {lesson.name for lesson in lessons}, (key, day)


def _key(condition: dict[str, Any]) -> FigureKey:
    return Condition.model_validate(condition).figure


# ---- Examples at the edges -----------------------------------------------------------------


def at(place: int) -> int:
    """The ordinal of a school day by its place."""
    return DAYS[place].toordinal()


def kept(since: int, cleared: int = 0, rule: str = "r", reached: Sequence[int] = ()) -> OnRecord:
    """A finding on record; its days by their places, 0 for none."""
    one, two, three, four = (at(place) if place else 0 for place in (*reached, 0, 0, 0, 0)[:4])
    return on_record_of(rule, at(since), at(cleared) if cleared else 0, (one, two, three, four))


def on_record_of(rule: str, since: int, cleared: int, reached: Reached) -> OnRecord:
    """The same by ordinals."""
    return OnRecord(rule, since, cleared or date.max.toordinal(), True, reached)


def test_a_finding_is_open_from_its_first_day_to_the_day_before_it_was_cleared() -> None:
    assert oldest_open([kept(5)], at(4)) == 0
    assert oldest_open([kept(5)], at(5)) == at(5)
    assert oldest_open([kept(5, 8)], at(7)) == at(5)
    assert oldest_open([kept(5, 8)], at(8)) == 0
    assert oldest_open([kept(5), kept(3), kept(2, 4)], at(8)) == at(3)
    assert oldest_open([], at(8)) == 0


def test_a_finding_counts_when_it_first_reached_the_level_in_the_window() -> None:
    def count(records: Sequence[OnRecord], days: int, level: int = 1, *rules: str) -> int:
        key = FigureKey("findings", days, level=level, rules=rules)
        return findings(records, key, DAYS[9], CALENDAR)

    one = [kept(5, rule="a", reached=(5, 7))]
    assert [count(one, days) for days in (4, 5)] == [0, 1]
    assert [count(one, days, 2) for days in (2, 3)] == [0, 1]
    assert count(one, 9, 3) == 0
    assert count([kept(9, reached=(9,))], 1) == 1
    assert count([kept(10, reached=(10,))], 5) == 0
    # Rules are counted, not findings; a rule that is not named is left out.
    assert count([*one, kept(7, rule="a", reached=(7,)), kept(8, rule="b", reached=(8,))], 9) == 2
    assert count([*one, kept(8, rule="b", reached=(8,))], 9, 1, "b", "c") == 1
    # The school year bounds the window, and before it there is none.
    key = FigureKey("findings", 9, level=1)
    last_year = kept(SECOND_YEAR - 1, reached=(SECOND_YEAR - 1,))
    assert findings([last_year], key, DAYS[SECOND_YEAR], CALENDAR) == 0
    before = DAYS[0] - timedelta(days=1)
    early = on_record_of("r", before.toordinal(), 0, (before.toordinal(), 0, 0, 0))
    assert findings([early], key, before, CALENDAR) == 0


def test_a_relapse_follows_what_was_cleared_in_the_window_while_nothing_is_open() -> None:
    assert [relapses([kept(2, 5)], days, DAYS[9], CALENDAR) for days in (4, 5)] == [False, True]
    assert relapses([kept(2, 9)], 1, DAYS[9], CALENDAR)
    assert not relapses([kept(2, 10)], 5, DAYS[9], CALENDAR)
    assert not relapses([kept(2, 8), kept(9)], 5, DAYS[9], CALENDAR)
    assert relapses([kept(2, 8), kept(10)], 5, DAYS[9], CALENDAR)
    assert not relapses([], 5, DAYS[9], CALENDAR)


@pytest.mark.parametrize(
    ("told", "answered", "wanted"),
    [
        ([7], [], 2),
        ([9], [], 0),
        ([10], [], 0),
        ([5, 7], [], 4),
        ([5, 7], [5], 2),
        ([5, 7], [6], 2),
        ([5, 7], [7], 0),
        ([5], [4], 4),
        ([5], [10], 4),
        ([5], [9], 0),
        ([], [], 0),
    ],
)
def test_what_nobody_answered_counts_school_days(
    told: list[int], answered: list[int], wanted: int
) -> None:
    pupil = Pupil(slot=0)
    pupil.told = [Told(at(place), "staff") for place in told]
    pupil.answers = [Answer(at(place), "talked", "staff", 0) for place in answered]

    assert unanswered(pupil, [kept(3)], JUDGES, DAYS[9], CALENDAR) == wanted
    assert unanswered(pupil, [kept(3, 9)], JUDGES, DAYS[9], CALENDAR) == 0


@pytest.mark.parametrize(("place", "wanted"), [(SECOND_YEAR - 1, 0), (SECOND_YEAR, 4)])
@pytest.mark.parametrize("told_of", [(), ("run",)])
def test_nothing_of_last_school_year_waits_for_an_answer(
    place: int, wanted: int, told_of: tuple[str, ...]
) -> None:
    pupil = Pupil(slot=0)
    pupil.told = [Told(at(place), "staff", told_of)]

    found = unanswered(pupil, [kept(3, rule="run")], JUDGES, DAYS[SECOND_YEAR + 4], CALENDAR)

    assert found == wanted


@pytest.mark.parametrize(
    ("told_of", "open_rules", "ended_on", "waits"),
    [
        (("run",), ["run", "lates"], {}, True),
        (("run",), ["lates"], {}, False),
        (("run", "lates"), ["lates"], {}, True),
        (("run",), ["run"], {"run": 4}, True),
        (("run",), ["run"], {"run": 5}, False),
        (("run",), ["run"], {"run": 9}, False),
        (("run", "lates"), ["run", "lates"], {"run": 6}, True),
        ((REMINDER,), ["lates"], {}, False),
        ((REMINDER, "run"), ["run"], {}, True),
        (("on-a-case-0",), ["lates"], {}, True),
        (("gone",), ["lates"], {}, True),
        (("gone",), [], {}, False),
        ((), ["lates"], {}, True),
    ],
)
def test_a_telling_waits_for_an_answer_as_long_as_something_stands_of_which_it_told(
    told_of: tuple[str, ...], open_rules: list[str], ended_on: dict[str, int], *, waits: bool
) -> None:
    """What came back after it had ended is another finding, to be told of by itself."""
    pupil = Pupil(slot=0)
    pupil.told = [Told(at(5), "staff", told_of)]
    pupil.ended = [
        Ended(rule, at(1), at(place), cleared, (at(1), 0, 0, 0))
        for rule, place in ended_on.items()
        for cleared in (True, False)
    ]
    records = [kept(3, rule=rule) for rule in open_rules]

    assert unanswered(pupil, records, JUDGES, DAYS[9], CALENDAR) == (4 if waits else 0)


def test_on_record_is_what_stands_and_what_was_cleared_of_ordinary_rules() -> None:
    pupil = Pupil(slot=0)
    reached = (at(2), 0, 0, 0)
    pupil.findings = {
        rule: Finding(1, DAYS[2], {at(2): 1}, reached=reached) for rule in ("a", "tried")
    }
    pupil.ended = [
        Ended(rule, at(1), at(4), cleared, reached)
        for rule, cleared in (("a", True), ("a", False), ("tried", True))
    ]

    assert on_record(pupil, {"a", "b"}, 0) == [
        on_record_of("a", at(2), 0, reached),
        on_record_of("a", at(1), at(4), reached),
    ]
