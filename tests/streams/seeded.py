"""Streams made from a seed: two schools, half a year, and all that can go wrong with a register."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import get_args

from shared.events import (
    WHOLLY_ABSENT,
    AnswerKind,
    AttendanceBatch,
    AttendanceEvent,
    CalendarChanged,
    CaseAnswer,
    CaseTold,
    DayClosed,
    Fact,
    PupilRecord,
    RulebookChanged,
    SchoolLive,
    Status,
    TimeReached,
)
from tests.streams.batches import batches
from tests.streams.files import (
    CALENDAR,
    RULEBOOK_CONTENT,
    RULEBOOK_VARIANTS,
    SCHOOL_YEARS,
    Content,
    calendar_content,
)

RULEBOOKS: dict[str, Content] = {"first": RULEBOOK_CONTENT, **RULEBOOK_VARIANTS}


def random_stream(
    seed: int,
    pupils: int = 8,
    days: int = 110,
    rulebooks: Mapping[str, Content] = RULEBOOKS,
) -> list[Fact]:
    """The facts of `days` school days at two schools, from the calendar's first on.

    `CALENDAR_CONTENT` and a rulebook, such as the first of `rulebooks`, are in force from the
    start; most streams change them on the way, the rulebook to any of `rulebooks`. Each day's
    registrations, corrections, records, tellings and answers stand before its closes. The same
    seed gives the same stream.
    """
    return list(_Stream(Random(seed), pupils, rulebooks).facts(CALENDAR.school_days[:days]))


SCHOOLS = ("alvik", "österby")
CLASSES = ("7a", "7b")
SUBJECTS = ("ma", "sv", "idrott")
BUSES = ("811", "812", "")

Weights = dict[Status, int]

MOODS: dict[str, Weights] = {
    "well": {Status.PRESENT: 95, Status.LATE: 2, Status.EXCUSED: 2, Status.OTHER: 1},
    "tired": {Status.PRESENT: 70, Status.LATE: 22, Status.UNEXCUSED: 8},
    "scattered": {Status.PRESENT: 68, Status.LATE: 8, Status.UNEXCUSED: 20, Status.LEAVE: 4},
    "ailing": {Status.PRESENT: 80, Status.EXCUSED: 18, Status.LEAVE: 2},
    "ill": {Status.PRESENT: 12, Status.EXCUSED: 80, Status.LEAVE: 8},
    "gone": {Status.EXCUSED: 30, Status.UNEXCUSED: 70},
}
"""How the lessons of a spell of days go, as weights of statuses."""

TEMPERS: dict[str, tuple[str, ...]] = {
    "steady": ("well", "well", "ailing"),
    "sliding": ("well", "ailing", "scattered", "gone", "well"),
    "truant": ("scattered", "well", "tired", "well"),
    "frail": ("ill", "well", "ailing", "well"),
    "withdrawing": ("gone", "gone", "ill", "well"),
    "lost": ("gone", "ill", "scattered"),
}
"""The spells that a pupil goes through, in this order and from the start again."""


HABITS = (
    "",
    "a subject",
    "mornings",
    "ends",
    "a weekday",
    "edges",
    "between",
    "leave",
    "term start",
)
"""What a pupil misses beside all that a mood does."""


@dataclass
class _Pupil:
    school: str
    name: str
    school_class: str
    habit: str
    dislikes: str
    away_on: int
    joins: int
    temper: str
    reported: float
    minutes: Sequence[int]
    in_roster: bool
    spell: int = 0
    spell_left: int = 0
    leave_left: int = 0
    sent: dict[str, AttendanceEvent] = field(default_factory=dict)
    records: list[PupilRecord] = field(default_factory=list)

    @property
    def mood(self) -> str:
        moods = TEMPERS[self.temper]
        return moods[self.spell % len(moods)]


class _Stream:
    """Makes one stream, day by day. `now` is the school's clock, in UTC."""

    def __init__(self, random: Random, pupils: int, rulebooks: Mapping[str, Content]) -> None:
        self.random = random
        self.rulebooks = rulebooks
        self.pupils = [self._pupil(n) for n in range(pupils)]
        self.years = random.choice((1, 2, 2, 2))
        self.study_days: list[date] = []
        self.delays: list[Content] = []
        self.forgetful: set[str] = set()
        self.outbreak = ""
        self.history_until = random.choice((0, 0, 25))
        self.later: list[tuple[date, AttendanceEvent]] = []
        self.now = datetime.combine(CALENDAR.school_days[0], time(6), UTC)
        self.disturbances: list[tuple[float, Callable[[_Pupil], list[AttendanceEvent]]]] = [
            (0.06, lambda pupil: self._correct(pupil, 1, 5)),
            (0.05, lambda pupil: self._correct(pupil, 6, 40)),
            (0.05, lambda pupil: self._correct(pupil, 41, 60)),
            (0.05, lambda pupil: self._correct(pupil, 61, 200)),
            (0.03, self._rewrite),
            (0.03, self._withdraw),
            (0.05, self._report_again),
            (0.04, self._move),
            (0.05, self._older_revision),
            (0.05, self._equal_revision),
            (0.08, self._repeat),
        ]

    def facts(self, days: Sequence[date]) -> Iterator[Fact]:
        if self.years == 1:
            yield self._calendar_changed()
        for n, day in enumerate(days):
            if day in self.study_days:
                # The school plans as the calendar says; a stray close of a day off is ignored.
                yield from self._closes(day, n, often=0.3)
                continue
            self.now = datetime.combine(day, time(6), UTC)
            self._happens()
            gap: list[Fact] = [*self._batches(self._events(day, n), n), *self._records(day, n)]
            gap += [*self._changes(days, n), *self._talk(day)]
            self.random.shuffle(gap)
            yield from gap
            yield from self._closes(day, n, often=0.97)

    # -- pupils and their lessons

    def _pupil(self, n: int) -> _Pupil:
        random = self.random
        temper = random.choice(list(TEMPERS))
        joins = 0 if temper == "lost" else random.choice((0, 0, random.randint(5, 70)))
        return _Pupil(
            school=SCHOOLS[n % 3 == 2],
            name=f"p{n}",
            school_class=random.choice(CLASSES),
            habit=random.choice(HABITS),
            dislikes=random.choice(SUBJECTS),
            away_on=random.randrange(5),
            joins=joins,
            temper=temper,
            reported=random.choice((1, 1, 0.97, 0.88)),
            minutes=random.choice(((60,), (60,), (30, 45, 80))),
            in_roster=random.random() < 0.6,
        )

    def _events(self, day: date, n: int) -> list[AttendanceEvent]:
        events = [event for due, event in self.later if due <= day]
        self.later = [(due, event) for due, event in self.later if due > day]
        for pupil in self.pupils:
            if n >= pupil.joins:
                events += self._lessons(pupil, day)
                for likelihood, disturb in self.disturbances:
                    if pupil.sent and self.random.random() < likelihood:
                        events += disturb(pupil)
        return events

    def _happens(self) -> None:
        """What befalls many at once today: a teacher who forgets, a class that falls ill."""
        places = [f"{school} {each}" for school in SCHOOLS for each in CLASSES]
        self.outbreak = self.random.choice(places) if self.random.random() < 0.1 else ""
        for place in [f"{each} {subject}" for each in places for subject in SUBJECTS]:
            if self.random.random() < (0.4 if place in self.forgetful else 0.04):
                self.forgetful ^= {place}

    def _lessons(self, pupil: _Pupil, day: date) -> list[AttendanceEvent]:
        random = self.random
        if pupil.spell_left == 0:
            pupil.spell += 1
            pupil.spell_left = random.randint(6, 24)
        pupil.spell_left -= 1
        if random.random() < 0.05:
            return []
        alike = self._status(pupil.mood) if random.random() < 0.5 else None
        events = []
        fallen_ill = self.outbreak == f"{pupil.school} {pupil.school_class}"
        if fallen_ill and random.random() < 0.8:
            alike = Status.EXCUSED
        slots = random.choice((1, 2, 2, 3, 3, 4))
        for slot in range(slots):
            on = day if random.random() > 0.02 else day + timedelta(days=random.randint(1, 3))
            subject = random.choice((*SUBJECTS, *SUBJECTS, ""))
            habit = self._habitual(pupil, day, subject, slot, slots)
            status = habit or alike or self._status(pupil.mood)
            event = self._event(pupil, f"{day:%m%d}-{slot}", on, slot, subject, status)
            forgotten = f"{pupil.school} {pupil.school_class} {subject}" in self.forgetful
            if random.random() >= pupil.reported or (forgotten and random.random() < 0.8):
                event = self._revised(event, Status.UNREPORTED)
            elif random.random() < 0.04:
                # The register is filled in some days later.
                self.later.append((day + timedelta(days=random.randint(1, 6)), event))
                event = self._revised(event, Status.UNREPORTED, at=event.recorded_at - _HOUR)
            events.append(self._sent(pupil, event))
        return events

    def _habitual(
        self, pupil: _Pupil, day: date, subject: str, slot: int, slots: int
    ) -> Status | None:
        """What the pupil's habit makes of a lesson; None: nothing."""
        missed = self.random.choice((Status.UNEXCUSED, Status.UNEXCUSED, Status.EXCUSED))
        term_began = any(day - timedelta(days=20) <= first <= day for first in _TERM_STARTS)
        habits: dict[str, tuple[bool, float, Status]] = {
            "a subject": (subject == pupil.dislikes, 0.6, missed),
            "mornings": (slot == 0, 0.5, self.random.choice((Status.LATE, missed))),
            "ends": (slot == slots - 1, 0.5, self.random.choice((Status.LATE, missed))),
            "a weekday": (day.weekday() == pupil.away_on, 0.8, missed),
            "edges": (CALENDAR.is_edge(day), 0.6, missed),
            "between": (0 < slot < slots - 1, 0.6, Status.UNEXCUSED),
            "leave": (pupil.leave_left > 0, 1, Status.LEAVE),
            "term start": (term_began, 0.5, missed),
        }
        if pupil.habit == "leave" and slot == 0:
            begins = pupil.leave_left == 0 and self.random.random() < 0.06
            pupil.leave_left = self.random.randint(1, 4) if begins else max(0, pupil.leave_left - 1)
        applies, likelihood, status = habits.get(pupil.habit, (False, 0, missed))
        return status if applies and self.random.random() < likelihood else None

    def _event(
        self, pupil: _Pupil, lesson: str, day: date, slot: int, subject: str, status: Status
    ) -> AttendanceEvent:
        clock = time(self.random.choice((8, 8, 9, 9)) + 2 * slot, self.random.choice((0, 20)))
        # Now and then just after midnight, when it is still the day before in UTC.
        if self.random.random() < 0.02:
            clock = time(0, 20)
        minutes = self.random.choice(pupil.minutes)
        return AttendanceEvent(
            school=pupil.school,
            pupil=pupil.name,
            lesson=f"{pupil.name}-{lesson}",
            starts_at=datetime.combine(day, clock, CALENDAR.zone).astimezone(UTC),
            minutes=minutes,
            subject=subject,
            status=status,
            absent_minutes=self._absent(status, minutes),
            recorded_at=self._tick(),
            group=f"{pupil.school_class}-{subject}" if subject else "",
        )

    def _status(self, mood: str) -> Status:
        weights = MOODS[mood]
        return self.random.choices(list(weights), list(weights.values()))[0]

    def _absent(self, status: Status, minutes: int) -> int:
        if status is Status.LATE:
            return self.random.choice((5, 12, 20))
        if status in WHOLLY_ABSENT:
            return minutes if self.random.random() < 0.95 else minutes - 10
        return 10 if status is Status.PRESENT and self.random.random() < 0.02 else 0

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=self.random.randint(1, 9))
        return self.now

    def _revised(
        self, event: AttendanceEvent, status: Status, at: datetime | None = None
    ) -> AttendanceEvent:
        return event.model_copy(
            update={
                "status": status,
                "absent_minutes": self._absent(status, event.minutes),
                "recorded_at": at or self._tick(),
            }
        )

    def _sent(self, pupil: _Pupil, event: AttendanceEvent) -> AttendanceEvent:
        known = pupil.sent.get(event.lesson)
        if known is None or event.recorded_at >= known.recorded_at:
            pupil.sent[event.lesson] = event
        return event

    # -- what disturbs the order of things

    def _held(self, pupil: _Pupil, nearest: int, farthest: int) -> list[AttendanceEvent]:
        """The pupil's lessons that lie `nearest` to `farthest` school days back."""
        return [
            event
            for event in pupil.sent.values()
            if nearest
            <= CALENDAR.distance(CALENDAR.local_date(event.starts_at), self.now.date())
            <= farthest
        ]

    def _some(self, events: list[AttendanceEvent]) -> list[AttendanceEvent]:
        return [self.random.choice(events)] if events else []

    def _any_status(self) -> Status:
        return self._status(self.random.choice(list(MOODS)))

    def _correct(self, pupil: _Pupil, nearest: int, farthest: int) -> list[AttendanceEvent]:
        return [
            self._sent(pupil, self._revised(event, self._any_status()))
            for event in self._some(self._held(pupil, nearest, farthest))
        ]

    def _rewrite(self, pupil: _Pupil) -> list[AttendanceEvent]:
        """A guardian's note, a day of travel, a teacher's mistake: days at a time, one status."""
        if not self._unsettled(pupil):
            return []
        back, length = self.random.choice(
            ((1, 3), (1, 3), (1, 8), (1, 8), (1, 20), (4, 15), (10, 45), (45, 20))
        )
        status = self.random.choice(
            (
                Status.PRESENT,
                Status.PRESENT,
                Status.EXCUSED,
                Status.UNEXCUSED,
                Status.WITHDRAWN,
                Status.UNREPORTED,
            )
        )
        share = self.random.choice((0.5, 1))
        return [
            self._sent(pupil, self._revised(event, status))
            for event in self._held(pupil, back, back + length)
            if self.random.random() < share
        ]

    def _unsettled(self, pupil: _Pupil) -> bool:
        """May many days be changed at once? The lost are left alone at first, so that some
        finding is more than sixty school days old when it is judged anew."""
        return pupil.temper != "lost" or self.now.date() > _SIXTY_DAYS_ON

    def _withdraw(self, pupil: _Pupil) -> list[AttendanceEvent]:
        event = self._some(self._held(pupil, 0, 30))
        return [self._sent(pupil, self._revised(each, Status.WITHDRAWN)) for each in event]

    def _report_again(self, pupil: _Pupil) -> list[AttendanceEvent]:
        withdrawn = [each for each in pupil.sent.values() if each.status is Status.WITHDRAWN]
        return [
            self._sent(pupil, self._revised(event, self._any_status()))
            for event in self._some(withdrawn)
        ]

    def _move(self, pupil: _Pupil) -> list[AttendanceEvent]:
        """To another date: past or to come, a school day or not."""
        away = timedelta(days=self.random.choice((-100, *range(-14, 15))))
        return [
            self._sent(
                pupil,
                event.model_copy(
                    update={"starts_at": event.starts_at + away, "recorded_at": self._tick()}
                ),
            )
            for event in self._some(self._held(pupil, 0, 30))
        ]

    def _older_revision(self, pupil: _Pupil) -> list[AttendanceEvent]:
        return [
            self._revised(event, self._any_status(), at=event.recorded_at - _HOUR)
            for event in self._some(self._held(pupil, 0, 30))
        ]

    def _equal_revision(self, pupil: _Pupil) -> list[AttendanceEvent]:
        return [
            self._revised(event, self._any_status(), at=event.recorded_at)
            for event in self._some(self._held(pupil, 0, 10))
        ]

    def _repeat(self, pupil: _Pupil) -> list[AttendanceEvent]:
        return self._some(list(pupil.sent.values()))

    # -- records, changes and closes

    def _records(self, day: date, n: int) -> list[PupilRecord]:
        records = []
        for pupil in self.pupils:
            if pupil.in_roster and n == max(0, pupil.joins - 2):
                enrolled = CALENDAR.school_days[pupil.joins] if self.random.random() < 0.7 else None
                records.append(self._record(pupil, day, enrolled))
            elif n > pupil.joins and self._unsettled(pupil) and self.random.random() < 0.02:
                # A later record moves the enrolment, or no longer says when it was.
                back = self.random.choice((None, 2, 12, 30, 200))
                enrolled = None if back is None else _back(day, back)
                records.append(self._record(pupil, day, enrolled))
            elif pupil.records and self.random.random() < 0.02:
                # Another bus, what the feeder school told late, another class.
                if self.random.random() < 0.3:
                    pupil.school_class = self.random.choice(CLASSES)
                records.append(self._record(pupil, day, pupil.records[-1].enrolled))
            elif pupil.records and self.random.random() < 0.03:
                records.append(self.random.choice(pupil.records))
        return records

    def _record(self, pupil: _Pupil, day: date, enrolled: date | None) -> PupilRecord:
        record = PupilRecord(
            school=pupil.school,
            pupil=pupil.name,
            school_class=pupil.school_class if self.random.random() < 0.95 else "",
            enrolled=enrolled,
            bus=self.random.choice(BUSES),
            feeder_school=self.random.choice(("", "byskolan")),
            need=self.random.random() < 0.2,
            last_year_share=self.random.choice(
                (None, None, Decimal("0.04"), Decimal("0.10"), Decimal("0.25"))
            ),
            valid_from=day,
            recorded_at=self._tick(),
        )
        pupil.records.append(record)
        return record

    def _changes(self, days: Sequence[date], n: int) -> list[Fact]:
        changes: list[Fact] = []
        if self.random.random() < 0.02:
            name = self.random.choice(list(self.rulebooks))
            changes.append(RulebookChanged(version=name, content=self.rulebooks[name]))
        if self.random.random() < 0.02:
            # A day to come, today, or one that has been.
            other = n + self.random.choice((-10, -5, -2, 0, 1, 3, 5, 8))
            if 0 <= other < len(days) and days[other] < _SECOND_YEAR:
                self.study_days.append(days[other])
                changes.append(self._calendar_changed())
        if self.random.random() < 0.03:
            # Nearly always a day that has been: delays are told of when it is too late.
            delayed = days[
                max(0, min(len(days) - 1, n + self.random.choice((-12, -3, -1, 0, 0, 1))))
            ]
            buses = self.random.choice(({}, {"buses": ["811"]}, {"buses": ["811", "812"]}))
            before = self.random.choice(("08:20", "10:20", "12:00"))
            self.delays.append({"date": str(delayed), "before": before, **buses})
            changes.append(self._calendar_changed())
        if self.years == 1 and (days[n] >= _SECOND_YEAR or self.random.random() < 0.005):
            self.years = 2
            changes.append(self._calendar_changed())
        if self.random.random() < 0.1:
            changes.append(TimeReached(at=self.now))
        if n == self.history_until:
            changes += [SchoolLive(school=school, at=self.now) for school in SCHOOLS]
        return changes

    def _calendar_changed(self) -> CalendarChanged:
        content = calendar_content(self.years, self.study_days, self.delays)
        version = f"{self.years}-{len(self.study_days)}-{len(self.delays)}"
        return CalendarChanged(version=version, content=content)

    def _talk(self, day: date) -> list[CaseTold | CaseAnswer]:
        """Signals were told, and answered, now and then days ago, and now and then said twice."""
        talk: list[CaseTold | CaseAnswer] = []
        for pupil in self.pupils:
            on = day - timedelta(days=self.random.choice((0, 0, 0, 1, 3, 9, 40)))
            if pupil.sent and self.random.random() < 0.06:
                told = CaseTold(
                    school=pupil.school,
                    pupil=pupil.name,
                    recipient="lärare",
                    on=on,
                    rules=self._told_of(pupil.name, on),
                )
                talk += [told] * self.random.choice((1, 1, 2))
            if pupil.sent and self.random.random() < 0.04:
                answer = self.random.choice(get_args(AnswerKind))
                until = day + timedelta(days=self.random.randint(-2, 25))
                talk.append(
                    CaseAnswer(
                        school=pupil.school,
                        pupil=pupil.name,
                        answer=answer,
                        by="lärare",
                        on=on,
                        until=until if answer in ("known_cause", "booked") else None,
                    )
                )
        return talk

    def _told_of(self, pupil: str, on: date) -> tuple[str, ...]:
        """Of which rules a telling told, where it says so; by dice of its own."""
        dice = Random(f"{pupil} {on}")
        known = sorted({rule["id"] for book in self.rulebooks.values() for rule in book["rules"]})
        of: tuple[list[str], ...] = (
            [],
            dice.sample(known, min(len(known), 6)),
            dice.sample(known, 1),
            ["gone"],
        )
        return tuple(dice.choices(of, (2, 6, 2, 1))[0])

    def _closes(self, day: date, n: int, often: float) -> Iterator[DayClosed]:
        history = n < self.history_until
        for school in SCHOOLS:
            if self.random.random() < often:
                yield DayClosed(school=school, date=day, history=history)
            if self.random.random() < 0.05:
                yield DayClosed(school=school, date=day, history=history)
            if self.random.random() < 0.05:
                stale = _back(day, self.random.randint(1, 9))
                yield DayClosed(school=school, date=stale, history=history)
            next_day = day + timedelta(days=1)
            if not CALENDAR.is_school_day(next_day) and self.random.random() < 0.2:
                yield DayClosed(school=school, date=next_day, history=history)

    def _batches(self, events: list[AttendanceEvent], n: int) -> list[AttendanceBatch]:
        self.random.shuffle(events)
        history = n < self.history_until
        return list(batches(events, lambda: self.random.randint(1, 12), history=history))


_HOUR = timedelta(hours=1)
_TERM_STARTS = [
    date.fromisoformat(term["first"]) for year in SCHOOL_YEARS for term in year["terms"]
]
_SIXTY_DAYS_ON = CALENDAR.school_days[62]
_SECOND_YEAR = date.fromisoformat(SCHOOL_YEARS[1]["terms"][0]["first"])


def _back(day: date, days: int) -> date:
    """The school day `days` school days before `day`, or the first one there is."""
    so_far = CALENDAR.between(CALENDAR.school_days[0], day)
    return so_far[max(0, len(so_far) - 1 - days)]
