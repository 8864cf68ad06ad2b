"""What a pupil looks like on a day, as rules tells it to notify's pages: strip, figures, limits.

The contract of `POST /pupil` of the rules service: internal, by token. Figures and limits come in
words by language, so that pages show the same as `narvara explain` and messages do. Days and
lessons, of which a page asks for thousands, are written as lists without names.
"""

from datetime import date

import msgspec

from shared.events import Status
from shared.rulebook import Audience

PATH = "/pupil"

MOST = 60
"""Pupils that are asked for at once."""

Said = dict[str, str]
"""By language, `sv` and `en`."""


class Lesson(msgspec.Struct, frozen=True, array_like=True):
    """One lesson of a strip, which has them in their order."""

    minutes: int
    status: Status
    bus_delay: bool = False
    """Late by a late bus: measured as attended."""


class Day(msgspec.Struct, frozen=True, array_like=True):
    """Monday to Friday of the weeks of a strip."""

    date: date
    school_day: bool
    counts: bool
    """From the enrolment on, and not after the day asked for."""
    lessons: list[Lesson]
    why: str = ""
    """Of a day off."""


class Earlier(msgspec.Struct, frozen=True, array_like=True):
    """A school day before the strip's on which not all was attended, or registered."""

    date: date
    scheduled: int
    """Lessons."""
    counts: dict[Status, int]
    """Of them those that were late, missed in part or whole, or not registered."""


class Shown(msgspec.Struct, frozen=True):
    """A limit and the value beside it."""

    level: int
    what: Said
    value: Said
    limit: Said
    reached: bool


class RuleShown(msgspec.Struct, frozen=True):
    """A rule's figures."""

    rule: str
    title: Said
    level: int
    """Of the finding that is open; 0: none is."""
    holds: int | None
    """The level that holds today; None: too little is known."""
    figures: list[Shown]
    good_news: bool = False


class OpenShown(msgspec.Struct, frozen=True):
    """A finding that is open, and what would end it."""

    rule: str
    title: Said
    level: int
    since: date
    words: Said
    clearing: Said
    good_news: bool = False


class Picture(msgspec.Struct, frozen=True):
    """One pupil on one day."""

    as_of: date
    days: list[Day]
    rules: list[RuleShown] = []
    """Open ones first, then those of which a level holds, then the rest."""
    open: list[OpenShown] = []
    next_on: date | None = None
    """When somebody more is told, unless somebody answers before."""
    next_to: list[Audience] = []
    earlier: list[Earlier] = []
    """Of the school year, the oldest first; of a brief picture none."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for."""

    school: str
    pupils: list[str]
    brief: bool = False
    """The strip, and of rules only what is open or holds."""
    coverage: bool = False
    """Also how much of the school is registered."""


class Looked(msgspec.Struct, frozen=True):
    """What is answered."""

    pictures: dict[str, Picture] = {}
    """By pupil; whoever is unknown has none."""
    elsewhere: list[str] = []
    """Pupils of partitions that this process doesn't own."""
    due: int = 0
    """Lessons that came due within the strip's days, of all pupils that this process has."""
    unreported: int = 0
    """Of them those that nobody has registered."""
