"""Stream entries into facts: batches of registrations quickly, everything by its contract.

A batch is nearly all that ever comes, and pydantic needs longer for one than the fold does. So
what keeps the contract (`shared.events.AttendanceBatch`) at first sight is taken as it is, its
instants still as text, which many pupils of a lesson share; whatever doesn't is left to the
contract itself, which says what is wrong.
"""

import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from pydantic_core import to_json

from shared.calendar import SchoolCalendar
from shared.events import FACT, CalendarChanged, Fact, RulebookChanged, Status
from shared.rulebook import Rulebook

_NAME = re.compile(r"[^\s/]{1,128}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_LONGEST = 128
_MOST_REMEMBERED = 200_000


class QuickEvent(msgspec.Struct, forbid_unknown_fields=True):
    """`AttendanceEvent` with its instants as they are written."""

    school: str
    pupil: str
    lesson: str
    starts_at: str
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)]
    status: Status
    absent_minutes: Annotated[int, msgspec.Meta(ge=0)]
    recorded_at: str
    subject: str = ""
    group: str = ""


class QuickBatch(msgspec.Struct, forbid_unknown_fields=True):
    """`AttendanceBatch` of such events."""

    type: Literal["attendance"]
    source: str
    events: list[QuickEvent]
    history: bool = False


_DECODER = msgspec.json.Decoder(QuickBatch)
_names: set[str] = set()
_instants: set[str] = set()
"""Those that are well formed, as far as they are remembered; they come again and again."""


def read_fact(body: bytes) -> Fact | QuickBatch:
    """The fact that an entry holds; raises `pydantic.ValidationError` when it is none."""
    try:
        batch = _DECODER.decode(body)
    except msgspec.MsgspecError:
        return by_contract(body)
    return batch if all(map(_is_good, batch.events)) else by_contract(body)


def by_contract(body: bytes) -> Fact:
    """The same, a batch too by its contract.

    What a rulebook or calendar says must make one: else it would end whoever judges by it, each
    time anew. The one before stays in force.
    """
    fact = FACT.validate_json(body)
    match fact:
        case RulebookChanged():
            Rulebook.model_validate_json(to_json(fact.content))
        case CalendarChanged():
            SchoolCalendar.model_validate_json(to_json(fact.content))
    return fact


def _is_good(event: QuickEvent) -> bool:
    names, instants = _names, _instants
    return (
        (event.school in names or _is_name(event.school))
        and (event.pupil in names or _is_name(event.pupil))
        and (event.lesson in names or _is_name(event.lesson))
        and (event.starts_at in instants or _is_instant(event.starts_at))
        and (event.recorded_at in instants or _is_instant(event.recorded_at))
        and event.absent_minutes <= event.minutes
        and len(event.subject) <= _LONGEST
        and len(event.group) <= _LONGEST
    )


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and _remember(_names, text)


def _is_instant(text: str) -> bool:
    if not _INSTANT.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return _remember(_instants, text)


def _remember(known: set[str], text: str) -> bool:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known.add(text)
    return True
