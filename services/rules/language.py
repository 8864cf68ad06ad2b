"""Numbers, days and bounds in words: what differs between languages, and how one is rounded."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from fractions import Fraction
from math import ceil, floor

from shared.indicators import INDICATORS, Span


class Amount(Enum):
    """What kind of number a figure is."""

    COUNT = "whole numbers"
    SHARE = "a part of something, from 0 to 1"
    POINTS = "the difference of two shares"
    TIMES = "one figure to another"
    CHANCE = "how often chance alone would do it, from 0 to 1"


@dataclass(frozen=True)
class Phrases:
    """One indicator in one language."""

    amount: Amount
    name: str
    """The figure as a noun: for when there is nothing to measure, and for `quiet`."""
    seen: str
    zero: str = ""
    """Instead of `seen` when the figure is 0."""
    alone: str = ""
    """Instead of `seen` when there is nothing on the other side of a ratio."""
    fallen: str = ""
    """Instead of `seen` when the figure is below 0; `n` is without its sign."""
    quiet: str = ""
    """When it doesn't hold; left out: `name`, is, `bound`."""


class Worded:
    """A number in a wording: `{n}` or, with the words that go with one and with more, `{n:a|b}`."""

    def __init__(self, text: str, none: str, number: Decimal) -> None:
        self._text = text
        self._none = none
        self._number = number

    def __format__(self, forms: str) -> str:
        if not forms:
            return self._text
        one, _, more = forms.partition("|")
        return f"{self._text if self._number else self._none} {one if self._number == 1 else more}"


def counted(number: float) -> Worded:
    """A whole number of something that has words of its own for one and for more."""
    return Worded(str(number), str(number), Decimal(number))


@dataclass(frozen=True)
class Language:
    """Numbers, days and conjunctions of one language, and its wordings of the indicators."""

    decimal_sign: str
    percent_sign: str
    numerals: tuple[str, ...]
    """From one on."""
    no: str
    times: Mapping[Decimal, str]
    """Ratios with a word of their own, with what leads on to the adjective: `dubbelt så`."""
    times_so: str
    """Any other ratio, likewise."""
    once_so: str
    """One as a bound: less than as much is no way to say it."""
    bare: Mapping[Decimal, str]
    """Ratios with a word of their own, by themselves."""
    times_bare: str
    """Any other ratio by itself."""
    points: str
    of_hundred: str
    at_most: str
    at_least: str
    less: str
    more: str
    under_: str
    over_: str
    zero: str
    nothing: Mapping[Amount, str]
    windows: Mapping[str, str]
    last_day: str
    last_days: str
    one_day: str
    days_in_a_row: str
    limit_is: str
    is_: str
    counted_over: str
    ends: str
    either: str
    both: str
    or_: str
    and_: str
    all_registered: str
    some_registered: str
    at_level: str
    phrases: Mapping[str, Phrases]

    def phrases_of(self, indicator: str, kind: str | None) -> Phrases:
        """The wordings of a figure; of an indicator with kinds those of the kind."""
        kinds = INDICATORS[indicator].kinds
        return self.phrases[f"{indicator} {kind or kinds[0]}" if kinds else indicator]

    def window(self, days: Span | None) -> str:
        """The days looked back over; empty where there is no window."""
        if days is None:
            return ""
        if isinstance(days, str):
            return self.windows[days]
        return self.last_day if days == 1 else self.last_days.format(days)

    def in_a_row(self, days: int) -> str:
        if days == 1:
            return self.one_day
        return self.days_in_a_row.format(self._numeral(days))

    def level(self, level: int) -> str:
        return self.at_level.format(level) if level > 1 else ""

    def registered(self, coverage: Decimal) -> str:
        if coverage == 1:
            return self.all_registered
        return self.some_registered.replace("{n}", self.percent(coverage, Decimal(1)))

    def percent(self, share: Decimal, beside: Decimal | None = None) -> str:
        return self.percent_sign.format(self._hundredths(share, beside))

    def value(self, amount: Amount, value: Decimal, limit: Decimal | None) -> Worded:
        """What was measured. Rounding never makes it meet a limit that it doesn't meet."""
        text = self._measured(amount, value, limit)
        return Worded(text, self.no, value)

    def limit(self, amount: Amount, limit: Decimal, *, least: bool) -> str:
        """A threshold; of counts the first whole number that meets it."""
        if amount is Amount.COUNT:
            return str(ceil(limit) if least else floor(limit))
        if amount is Amount.TIMES:
            return self.bare.get(limit) or self.times_bare.format(self._number(limit, 2))
        if amount is Amount.CHANCE:
            return self.of_hundred.format(self._hundredths(limit, places=2))
        if amount is Amount.POINTS:
            return self.points.format(self._hundredths(limit, places=2))
        return self.percent_sign.format(self._hundredths(limit, places=2))

    def under(self, amount: Amount, limit: Fraction) -> str:
        """What is less than `limit`."""
        if amount is Amount.COUNT:
            most = ceil(limit) - 1
            return self.at_most.format(most) if most else self.zero
        sign = self.under_ if amount is Amount.SHARE else self.less
        return f"{sign} {self._edge(amount, limit)}"

    def over(self, amount: Amount, limit: Fraction) -> str:
        """What is more than `limit`."""
        if amount is Amount.COUNT:
            return self.at_least.format(floor(limit) + 1)
        sign = self.over_ if amount is Amount.SHARE else self.more
        return f"{sign} {self._edge(amount, limit)}"

    def _edge(self, amount: Amount, limit: Fraction) -> str:
        edge = Decimal(limit.numerator) / Decimal(limit.denominator)
        if amount is Amount.TIMES:
            word = self.times.get(edge) if edge != 1 else self.once_so
            return word or self.times_so.format(self._number(edge, 2))
        if amount is Amount.CHANCE:
            return self._hundredths(edge, places=2)
        if amount is Amount.POINTS:
            return self.points.format(self._hundredths(edge, places=2))
        return self.percent_sign.format(self._hundredths(edge, places=2))

    def _measured(self, amount: Amount, value: Decimal, limit: Decimal | None) -> str:
        if amount is Amount.COUNT:
            return self._number(value)
        if amount is Amount.SHARE:
            return self.percent(value, limit)
        if amount is Amount.POINTS:
            return self.points.format(self._hundredths(abs(value), limit))
        return (self._times if amount is Amount.TIMES else self._chance)(value, limit)

    def _times(self, value: Decimal, limit: Decimal | None) -> str:
        rounded = _rounded(value, 1, limit)
        if word := self.times.get(rounded):
            return word
        whole = value == int(value)
        return self.times_so.format(self._numeral(int(value)) if whole else self._shown(rounded))

    def _chance(self, value: Decimal, limit: Decimal | None) -> str:
        least = Decimal("0.001")
        if value < least:
            return f"{self.less} {self._hundredths(least)}"
        return self._hundredths(value, limit)

    def _numeral(self, number: int) -> str:
        known = 1 <= number <= len(self.numerals)
        return self.numerals[number - 1] if known else str(number)

    def _hundredths(self, share: Decimal, beside: Decimal | None = None, places: int = 1) -> str:
        return self._number(share * 100, places, None if beside is None else beside * 100)

    def _number(self, number: Decimal, places: int = 1, beside: Decimal | None = None) -> str:
        return self._shown(_rounded(number, places, beside))

    def _shown(self, number: Decimal) -> str:
        return f"{number.normalize():f}".replace(".", self.decimal_sign)


def _rounded(number: Decimal, places: int, beside: Decimal | None) -> Decimal:
    """Rounded to `places`, or to more where that would make it `beside`, or nothing at all."""
    rounded = round_to(number, places)
    while rounded in (beside, 0) and rounded != number and places < _MOST_PLACES:
        places += 1
        rounded = round_to(number, places)
    return rounded


def round_to(number: Decimal, places: int) -> Decimal:
    """Half goes up, as people do it."""
    return number.quantize(_UNITS[places], ROUND_HALF_UP)


_MOST_PLACES = 12
_UNITS = [Decimal(1).scaleb(-places) for places in range(_MOST_PLACES + 1)]
"""The last digit's worth, by places."""
