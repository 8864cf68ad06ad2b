"""Streams that hypothesis makes: a handful of facts that meet one another often."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal

from hypothesis import strategies as st

from shared.calendar import SchoolCalendar
from shared.events import (
    WHOLLY_ABSENT,
    AttendanceEvent,
    CaseAnswer,
    CaseTold,
    DayClosed,
    Fact,
    PupilRecord,
    Status,
)
from tests.streams.batches import batches
from tests.streams.files import SMALL_CALENDAR_CONTENT

SMALL_DAYS = SchoolCalendar.model_validate(SMALL_CALENDAR_CONTENT).school_days

_SCHOOL = st.just("alvik")
_PUPILS = st.sampled_from(("p1", "p2"))
_STAFF = st.just("lärare")
_SATURDAY = date(2025, 8, 23)
_FEW_DAYS = (*SMALL_DAYS[:8], _SATURDAY)


@st.composite
def registrations(draw: st.DrawFn) -> AttendanceEvent:
    """One of few lessons of two pupils, in one of few revisions: they meet one another often."""
    pupil = draw(_PUPILS)
    slot, part = draw(st.integers(0, 7)), draw(st.sampled_from((0, 0, 1, 2)))
    moved = draw(st.sampled_from((None, None, None, *_FEW_DAYS)))
    status = draw(st.sampled_from(Status))
    day = moved or _FEW_DAYS[slot]
    whole = 60 if status in WHOLLY_ABSENT else 0
    return AttendanceEvent(
        school="alvik",
        pupil=pupil,
        lesson=f"{pupil}-{slot}-{part}",
        starts_at=datetime.combine(day, time(8 + part), UTC),
        minutes=60,
        subject=("ma", "sv", "")[part],
        status=status,
        absent_minutes=draw(st.sampled_from((whole, whole, 15))),
        recorded_at=datetime.combine(SMALL_DAYS[0], time(12 + draw(st.integers(0, 3))), UTC),
        group=draw(st.sampled_from(("", "", "7a-ma"))),
    )


@st.composite
def records(draw: st.DrawFn) -> PupilRecord:
    """A record whose content follows from its order, so that no two of equal order differ."""
    since, revision = draw(st.integers(0, 2)), draw(st.integers(0, 2))
    return PupilRecord(
        school="alvik",
        pupil=draw(_PUPILS),
        school_class=("7a", "7b", "")[(since + revision) % 3],
        bus=("811", "")[since % 2],
        need=revision == 1,
        last_year_share=(None, Decimal("0.10"), Decimal("0.09"))[since],
        enrolled=None if since == revision else SMALL_DAYS[3 * since + revision],
        valid_from=SMALL_DAYS[since],
        recorded_at=datetime.combine(SMALL_DAYS[0], time(12 + revision), UTC),
    )


def tellings() -> st.SearchStrategy[CaseTold]:
    on = st.sampled_from(_FEW_DAYS)
    rules = st.sampled_from(
        (
            (),
            ("absent-run", "share"),
            ("unexcused-lessons",),
            ("unanswered",),
            ("findings", "lates"),
        )
    )
    return st.builds(CaseTold, school=_SCHOOL, pupil=_PUPILS, recipient=_STAFF, on=on, rules=rules)


@st.composite
def answers(draw: st.DrawFn) -> CaseAnswer:
    known = draw(st.booleans())
    return CaseAnswer(
        school="alvik",
        pupil=draw(_PUPILS),
        answer="known_cause" if known else "talked",
        by="lärare",
        on=draw(st.sampled_from(_FEW_DAYS)),
        until=draw(st.sampled_from(SMALL_DAYS)) if known else None,
    )


Single = AttendanceEvent | PupilRecord | CaseTold | CaseAnswer


def day_of_events(at_most: int = 8) -> st.SearchStrategy[list[Single]]:
    """What arrives between two day closes: registrations, and now and then something else."""
    other = st.one_of(records(), tellings(), answers())
    return st.lists(st.one_of(registrations(), registrations(), other), max_size=at_most)


@st.composite
def small_streams(draw: st.DrawFn) -> list[Fact]:
    """A stream of up to twelve day closes, to be judged by the small calendar and rulebook."""
    gaps = draw(st.lists(day_of_events(), min_size=1, max_size=12))
    return _closed(gaps)


@st.composite
def reordered_streams(draw: st.DrawFn) -> tuple[list[Fact], list[Fact]]:
    """A stream, and one with the same facts between the same closes, in any order and repeated.

    History: live, a rule on events says at once what it sees.
    """
    gaps = draw(st.lists(day_of_events(), min_size=1, max_size=12))
    variant = []
    for gap in gaps:
        repeats = draw(st.lists(st.sampled_from(gap), max_size=3)) if gap else []
        variant.append(draw(st.permutations([*gap, *repeats])))
    one = _closed(gaps, 3, history=True)
    return one, _closed(variant, draw(st.integers(1, 5)), history=True)


def _closed(
    gaps: Iterable[Sequence[Single]], batch: int = 3, *, history: bool = False
) -> list[Fact]:
    """The gaps with a close after each; registrations in a row share batches of up to `batch`."""
    facts: list[Fact] = []
    for day, gap in zip(SMALL_DAYS, gaps, strict=False):
        row: list[AttendanceEvent] = []
        for single in gap:
            if isinstance(single, AttendanceEvent):
                row.append(single)
            else:
                facts += [*batches(row, lambda: batch, history=history), single]
                row = []
        facts += [
            *batches(row, lambda: batch, history=history),
            DayClosed(school="alvik", date=day, history=history),
        ]
    return facts
