"""What a pupil looks like on a day, for pages: the strip, figures beside limits, what is open.

Asked of the rules service, which owns it; as simple as templates need it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.notify.pages.strip import Day


@dataclass(frozen=True)
class Figure:
    """A limit and the value beside it, in words by language."""

    level: int
    what: Mapping[str, str]
    value: Mapping[str, str]
    limit: Mapping[str, str]
    reached: bool


@dataclass(frozen=True)
class Rule:
    """A rule whose figures are shown."""

    title: Mapping[str, str]
    level: int
    """Of the finding that is open; 0: none is."""
    enough: bool
    """Enough is registered to judge it."""
    figures: Sequence[Figure]
    good_news: bool = False


@dataclass(frozen=True)
class Open:
    """A finding that is open, and what would end it."""

    title: Mapping[str, str]
    level: int
    since: date
    words: Mapping[str, str]
    clearing: Mapping[str, str]


@dataclass(frozen=True)
class Picture:
    """One pupil on one day."""

    as_of: date
    days: Sequence[Day]
    rules: Sequence[Rule] = ()
    open: Sequence[Open] = ()
    next_on: date | None = None
    """When somebody more is told, unless somebody answers before."""
    next_to: Sequence[str] = ()
    """Who that is, as audiences."""
