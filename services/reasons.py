"""The reasons of the stages of telling in Swedish, as staff read them on the terminal."""

import re
from collections.abc import Callable
from typing import NamedTuple

AUDIENCES = {
    "contact_teacher": "kontaktläraren",
    "eht": "EHT",
    "rektor": "rektor",
    "admin": "administrationen",
    "coordinator": "samordnaren",
    "protected": "handläggaren av skyddad identitet",
}

CHANNELS = {"email": "e-post", "sms": "sms", "webhook": "webhook", "": "nådde ingen"}

WEEKDAYS = ("mån", "tis", "ons", "tors", "fre", "lör", "sön")


ANSWERED = "its case was answered before it was told"
"""Why a finding waited of which nobody had told anyone when somebody answered something else."""


class _Phrase(NamedTuple):
    pattern: re.Pattern[str]
    words: str
    """With what the pattern's groups caught in its places."""
    kind: str
    """The same without names and dates, for counting."""


def _phrase(pattern: str, words: str, kind: str = "") -> _Phrase:
    return _Phrase(re.compile(pattern, re.DOTALL), words, kind or words)


_DATE = r"([0-9]{4}-[0-9]{2}-[0-9]{2})"

_PHRASES = (
    # who
    _phrase("good news waits for a digest", "goda nyheter väntar till listan"),
    _phrase("away, and nobody stands in", "borta, och ingen vikarierar"),
    _phrase("the school has no roster", "skolan har ingen roster"),
    _phrase("none of them has an address", "ingen av dem har en adress"),
    _phrase("the roster has none", "rostern har ingen sådan"),
    _phrase("only a pupil or class has one", "bara en elev eller klass har någon"),
    _phrase("the pupil has none", "eleven har ingen"),
    _phrase("the class has none", "klassen har ingen"),
    _phrase("no roster names the pupil", "ingen roster nämner eleven"),
    _phrase("no roster names the class", "ingen roster nämner klassen"),
    _phrase("no handler can be reached", "ingen handläggare kan nås"),
    _phrase("to EHT", "därför till EHT"),
    _phrase("to EHT's inbox", "därför till EHT:s brevlåda"),
    _phrase("stands in for (.+)", "vikarierar för {0}", "vikarierar"),
    # whether
    _phrase("still there after the answer", "står kvar efter svaret"),
    _phrase("handed over", "överlämnad"),
    _phrase("called for by an answer", "efterfrågat i ett svar"),
    _phrase("start list", "startlistan"),
    _phrase("was told of a finding that has been corrected", "rättelse av något som berättats"),
    # why it waits
    _phrase("its rule is being tried", "regeln är på prov"),
    _phrase("of last school year", "hör till förra läsåret"),
    _phrase("part of the start list, which waits", "hör till startlistan, som hålls"),
    _phrase("its school is not live", "skolan är inte i drift"),
    _phrase(f"held until {_DATE}", "vilar till {0}", "vilar efter en avslutad signal"),
    _phrase(
        "held while (.+) stood for the pupil's class",
        "vilar medan många i klassen är borta",
    ),
    _phrase(f"its cause is known until {_DATE}", "orsaken är känd till {0}", "orsaken är känd"),
    _phrase(f"silenced until {_DATE}: (.*)", "tystad till {0}: {1}", "tystad"),
    _phrase("EHT has taken the case", "EHT har tagit över"),
    _phrase(ANSWERED, "ärendet besvarades innan det hann berättas"),
    _phrase("a day off", "ledig dag"),
    _phrase("quiet hours", "tyst tid"),
)

_LEVEL = re.compile(r"level ([0-9])(?: for|,) (\w+)(?: identity)?(?:: (.*))?", re.DOTALL)


def in_swedish(reason: str) -> str:
    """A reason in Swedish; a part that is not known stays as it is."""
    return _told(reason, lambda phrase, caught: phrase.words.format(*caught))


def kind_of(reason: str) -> str:
    """What kind of reason it is, without names and dates."""
    return _told(reason, lambda phrase, _: phrase.kind)


def _told(reason: str, words: Callable[[_Phrase, tuple[str, ...]], str]) -> str:
    whole = _found(reason, words)  # a silence's own words may have any marks in them
    return whole or "; ".join(_part(each, words) for each in reason.split("; "))


def _part(part: str, words: Callable[[_Phrase, tuple[str, ...]], str]) -> str:
    level = _LEVEL.fullmatch(part)
    if level is None:
        return _found(part, words) or part
    number, audience, rest = level.groups()
    told = f"nivå {number} för {AUDIENCES.get(audience, audience)}"
    return f"{told}: {_found(rest, words) or rest}" if rest else told


def _found(part: str, words: Callable[[_Phrase, tuple[str, ...]], str]) -> str:
    for phrase in _PHRASES:
        caught = phrase.pattern.fullmatch(part)
        if caught:
            return words(phrase, caught.groups())
    return ""
