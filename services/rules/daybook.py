"""The sums of every day of a school's pupils, as arrays: dates × sums × pupils.

Registrations come one by one and are only noted; they are added up for all pupils at a time
when figures are asked for. Loops in Python over pupils and days cost more than everything else
together (docs/decisions/0008-figures-for-many-pupils-at-a-time.md).
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from services.rules.window import ABSENT as AWAY
from services.rules.window import EXCUSED as WITH_REASON
from services.rules.window import Registration
from shared.events import Status

Ints = NDArray[np.int32]

# What is summed of a pupil's day. Lessons are counts, the rest minutes.
SCHEDULED = 0
COUNTING = 1
OFFERED = 2
ABSENT = 3
EXCUSED = 4
UNEXCUSED = 5
UNEXCUSED_LESSONS = 6
LATES = 7
MISSED = 8
"""Lessons missed wholly."""
EXCUSED_WHOLE = 9
"""Of them excused or on leave."""
LEAVE_WHOLE = 10
"""Of them on leave."""
_ADDED = 11
"""The sums so far add up over lessons; the three that follow depend on the day's order."""
INTERNAL = 11
"""1: an unexcused whole lesson between two attended ones."""
FIRST = 12
"""1: the first lesson was missed wholly or late."""
LAST = 13
"""1: the last lesson was."""
FIELDS = 14

_ZSTD = zstandard.ZstdCompressor(level=1)

_MORE_DATES = 32
_MORE_SLOTS = 16


class Place(NamedTuple):
    """One pupil's day."""

    day: int
    slot: int


class OldDays(msgspec.Struct, frozen=True, array_like=True):
    """One pupil's days that nothing can change any more, as they were added up."""

    first: int
    until: int
    """Ordinals: of the first of them, and of the first day after them."""
    sums: bytes
    subjects: tuple[str, ...]
    by_subject: bytes
    """Arrays of 32-bit whole numbers, compressed."""


class Daybook:
    """One school's days. A pupil has a slot; a date is its ordinal."""

    def __init__(self) -> None:
        self.sums: Ints = np.zeros((0, FIELDS, 0), np.int32)
        self.subjects: Ints = np.zeros((0, 0, 2, 0), np.int32)
        """Dates × subjects × (counting, missed wholly) × pupils."""
        self.first = 0
        """The ordinal of the first date that there is room for."""
        self.names: list[str] = []
        """The subjects, in the order of their columns."""
        self.touched: set[int] = set()
        """Dates that add up anew; for whoever asks, to empty."""
        self._columns: dict[str, int] = {}
        self._codes: dict[tuple[object, ...], int] = {}
        self._shares: list[tuple[int, ...]] = []
        self._noted: list[int] = []

    def note(self, slot: int, known: Registration, sign: int) -> None:
        """A lesson comes to its day (1) or leaves it (-1)."""
        share = known.minutes, known.absent, known.status
        code = self._codes.get(share)
        if code is None:
            code = self._codes[share] = len(self._shares)
            self._shares.append(_share(known))
        column = self._columns.get(known.subject)
        if column is None:
            column = self._column(known.subject)
        self._noted += (known.day, slot, code, column, sign)

    def add_up(self, slots: int) -> list[Place]:
        """Add up what was noted, for `slots` pupils.

        Returns the places whose lessons must be looked at in their order: `flag` is to be told
        what was seen. Of days that were missed as a whole, or not at all, no order is asked.
        """
        noted = np.array(self._noted, np.int64).reshape(-1, 5)
        self._noted.clear()
        if not len(noted):
            self.make_room((), slots)
            return []
        days, owners, codes, columns, signs = noted.T
        self.make_room((int(days.min()), int(days.max())), slots)
        self.touched.update(np.unique(days).tolist())
        rows = days - self.first
        shares = np.array(self._shares, np.int32)[codes] * signs[:, None].astype(np.int32)
        width = self.sums.shape[2]
        flat = (rows * FIELDS * width + owners)[:, None] + np.arange(_ADDED) * width
        np.add.at(self.sums.reshape(-1), flat.ravel(), shares.ravel())
        named = columns >= 0
        if named.any():
            flat = (rows * len(self.names) + columns) * 2 * width + owners
            pair = np.stack((flat, flat + width), axis=1)[named]
            two = shares[named][:, (COUNTING, MISSED)]
            np.add.at(self.subjects.reshape(-1), pair.ravel(), two.ravel())
        return self._in_question(rows, owners)

    def flag(self, place: Place, order: Iterable[Registration]) -> None:
        """Mark a day by its lessons in their order, those that count; there is one."""
        lessons = list(order)
        missed = [known.wholly_missed for known in lessons]
        attended = [number for number, away in enumerate(missed) if not away]
        between = lessons[attended[0] : attended[-1]] if attended else []
        flags = [any(known.wholly_missed and not known.excused for known in between)]
        flags += [known.wholly_missed or known.status is Status.LATE for known in lessons[:1]]
        flags += [known.wholly_missed or known.status is Status.LATE for known in lessons[-1:]]
        self.sums[place.day - self.first, INTERNAL:, place.slot] = flags

    def recount(self, place: Place, lessons: Iterable[Registration]) -> None:
        """Forget what a day adds up to, and note its lessons anew."""
        self.make_room((place.day, place.day), place.slot + 1)
        self.touched.add(place.day)
        self.sums[place.day - self.first, :, place.slot] = 0
        self.subjects[place.day - self.first, :, :, place.slot] = 0
        for known in lessons:
            self.note(place.slot, known, 1)

    def make_room(self, days: Iterable[int], slots: int) -> None:
        """See to it that there are rows for the days, and columns for pupils and subjects."""
        wanted = sorted(days)
        begin, end = self.first, self.first + len(self.sums)
        if wanted:
            begin = min(begin, wanted[0]) if len(self.sums) else wanted[0]
            end = max(end, wanted[-1] + 1)
            if end > self.first + len(self.sums):
                end += _MORE_DATES
        width = self.sums.shape[2]
        if slots > width:
            width = slots + max(_MORE_SLOTS, slots // 2)
        subjects = len(self.names)
        shape = (end - begin, FIELDS, width)
        if shape == self.sums.shape and subjects == self.subjects.shape[1]:
            return
        sums = np.zeros(shape, np.int32)
        by_subject = np.zeros((end - begin, subjects, 2, width), np.int32)
        if self.sums.size:
            at, until = self.first - begin, self.first - begin + len(self.sums)
            sums[at:until, :, : self.sums.shape[2]] = self.sums
            old = self.subjects.shape
            by_subject[at:until, : old[1], :, : old[3]] = self.subjects
        self.sums, self.subjects, self.first = sums, by_subject, begin

    def old_days(self, slot: int, until: int) -> OldDays:
        """A pupil's days before `until`, to be put back by `put_back`."""
        first = self.first
        rows = slice(0, max(0, until - first))
        sums, by_subject = self.sums[rows, :, slot], self.subjects[rows, :, :, slot]
        # What is zero is left out: the same days give the same record, whoever else is here.
        known = np.flatnonzero(sums.any(axis=1))
        rows = slice(known[0], known[-1] + 1) if len(known) else slice(0)
        names = sorted(
            name for column, name in enumerate(self.names) if by_subject[:, column].any()
        )
        columns = [self._columns[name] for name in names]
        return OldDays(
            first + int(rows.start or 0) if len(known) else until,
            until,
            _ZSTD.compress(sums[rows].tobytes()),
            tuple(names),
            _ZSTD.compress(by_subject[rows][:, columns].tobytes()),
        )

    def put_back(self, slot: int, old: OldDays) -> None:
        """A pupil's days as they were added up before."""
        sums = np.frombuffer(zstandard.decompress(old.sums), np.int32).reshape(-1, FIELDS)
        if not len(sums):
            return
        columns = [
            self._columns[name] if name in self._columns else self._column(name)
            for name in old.subjects
        ]
        self.make_room((old.first, old.first + len(sums) - 1), slot + 1)
        rows = slice(old.first - self.first, old.first - self.first + len(sums))
        self.sums[rows, :, slot] = sums
        raw = np.frombuffer(zstandard.decompress(old.by_subject), np.int32)
        for number, column in enumerate(columns):
            self.subjects[rows, column, :, slot] = raw.reshape(len(sums), -1, 2)[:, number]

    def attendance(self, day: int, slots: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Of each pupil: whether the day was missed as a whole, and whether any lesson counts."""
        if not self.first <= day < self.first + len(self.sums):
            nobody = np.zeros(slots, bool)
            return nobody, nobody
        row = self.sums[day - self.first, :, :slots]
        if row.shape[1] < slots:
            row = np.pad(row, ((0, 0), (0, slots - row.shape[1])))
        counting = row[COUNTING] > 0
        return counting & (row[MISSED] == row[COUNTING]), counting

    def lessons(self, day: int, slot: int) -> tuple[int, int]:
        """How many lessons of a day were scheduled, and how many of them count."""
        row, width = day - self.first, self.sums.shape[2]
        if not (0 <= row < len(self.sums) and slot < width):
            return 0, 0
        scheduled, counting = self.sums[row, (SCHEDULED, COUNTING), slot].tolist()
        return scheduled, counting

    def drop_before(self, day: int) -> None:
        """Give up the rows of dates before a day."""
        rows = min(max(0, day - self.first), len(self.sums))
        self.sums = self.sums[rows:].copy()
        self.subjects = self.subjects[rows:].copy()
        self.first += rows

    def _in_question(self, rows: NDArray[np.int64], owners: NDArray[np.int64]) -> list[Place]:
        width = self.sums.shape[2]
        touched = np.unique(rows * width + owners)
        rows, owners = touched // width, touched % width
        day = self.sums[rows, :, owners]
        away = day[:, MISSED] > 0
        whole = away & (day[:, MISSED] == day[:, COUNTING])
        mixed = (away & ~whole) | (day[:, LATES] > 0)
        flags = np.zeros((len(rows), FIELDS - INTERNAL), np.int32)
        flags[:, 1:] = whole[:, None]
        self.sums[rows, INTERNAL:, owners] = flags
        return [
            Place(int(row) + self.first, int(slot))
            for row, slot in zip(rows[mixed], owners[mixed], strict=True)
        ]

    def _column(self, subject: str) -> int:
        column = -1
        if subject:
            column = len(self.names)
            self.names.append(subject)
        self._columns[subject] = column
        return column


def _share(known: Registration) -> tuple[int, ...]:
    """What one lesson adds to its day. Unreported: scheduled, and no more; withdrawn: nothing."""
    if not known.counts:
        return (int(known.status is not Status.WITHDRAWN), *(0,) * (_ADDED - 1))
    whole = known.status in AWAY and known.absent == known.minutes
    return (
        1,
        1,
        known.minutes,
        known.absent,
        known.absent if known.excused else 0,
        known.unexcused_minutes,
        int(known.status is Status.UNEXCUSED),
        int(known.status is Status.LATE),
        int(whole),
        int(whole and known.status in WITH_REASON),
        int(whole and known.status is Status.LEAVE),
    )
