"""Facts and rulebooks for examples worked out by hand.

School days are numbered from 1, a Monday, the first of the school year; days 61 and on are in term
too. Days 1 to 50 are ten whole weeks, then a break; day 86 begins the second term.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tests.oracle.judge import Step, steps

Plain = dict[str, Any]

CALENDAR: Plain = {
    "timezone": "Europe/Stockholm",
    "school_years": [
        {
            "terms": [
                {"first": "2025-08-18", "last": "2025-12-19"},
                {"first": "2026-01-12", "last": "2026-02-06"},
            ],
            "days_off": [{"first": "2025-10-27", "last": "2025-10-31"}],
        },
        {"terms": [{"first": date(2026, 8, 17), "last": date(2026, 12, 18)}]},
    ],
}


def _school_days() -> Iterator[date]:
    day = date(2025, 8, 18)
    while day <= date(2026, 12, 18):
        term = (
            day <= date(2025, 12, 19)
            or date(2026, 1, 12) <= day <= date(2026, 2, 6)
            or day >= date(2026, 8, 17)
        )
        autumn_break = date(2025, 10, 27) <= day <= date(2025, 10, 31)
        if day.weekday() < 5 and term and not autumn_break:
            yield day
        day += timedelta(days=1)


DAYS = list(_school_days())
YEAR_END = 85 + 20
"""The last school day of the first year: 18 weeks less the break, and four weeks."""


def day(number: int) -> date:
    return DAYS[number - 1]


def lessons(on: int | date, *statuses: str, revision: int = 0, **more: Any) -> Plain:
    """One day's lessons of 60 minutes, the first at nine, one status each.

    `more` sets fields of each event; absent minutes are the whole lesson where that is meant.
    """
    at = on if isinstance(on, date) else day(on)
    events = []
    for slot, status in enumerate(statuses):
        absent = 60 if status in ("excused", "leave", "unexcused") else 0
        event = {
            "school": "s",
            "pupil": "p",
            "lesson": f"{at}-{slot}",
            "starts_at": datetime.combine(at, time(9 + slot), UTC),
            "minutes": 60,
            "subject": "ma",
            "status": status,
            "absent_minutes": absent,
            "recorded_at": datetime.combine(DAYS[0], time(), UTC) + timedelta(hours=revision),
        }
        events.append({**event, **more})
    return {"type": "attendance", "source": "x", "history": False, "events": events}


def lesson_of(on: int) -> str:
    return f"{day(on)}-0"


def close(on: int | date, history: bool = False) -> Plain:
    at = on if isinstance(on, date) else day(on)
    return {"type": "day_closed", "school": "s", "date": at, "history": history}


def record(enrolled: int | None, valid_from: int = 1, revision: int = 0) -> Plain:
    return {
        "type": "pupil_record",
        "school": "s",
        "pupil": "p",
        "enrolled": None if enrolled is None else day(enrolled),
        "valid_from": day(valid_from),
        "recorded_at": datetime.combine(DAYS[0], time(), UTC) + timedelta(hours=revision),
    }


def school(first: int, last: int, *statuses: str) -> list[Plain]:
    """Days `first` to `last`, each with these lessons and a close."""
    return [fact for n in range(first, last + 1) for fact in (lessons(n, *statuses), close(n))]


def closes(first: int, last: int) -> list[Plain]:
    return [close(n) for n in range(first, last + 1)]


def at_least(indicator: str, edge: object, days: int | None = None, **more: Any) -> Plain:
    return {"indicator": indicator, "days": days, "at_least": edge, **more}


def rulebook(levels: Plain | dict[int, Plain], **more: Any) -> Plain:
    return {"clear_factor": "0.8", "clear_after": 10, "rules": [{"id": "r", "levels": levels}]} | (
        more
    )


UNEXCUSED = rulebook(
    {n: at_least("unexcused_lessons", 2 * n, days=5) for n in (1, 2, 3)},
)
"""Two, four and six unexcused lessons in five days."""

SHARE = rulebook({1: at_least("absence_share", "0.10", days=20)})
RUN = rulebook({1: at_least("absent_run", 3)})


def told(facts: list[Plain], rules: Plain = UNEXCUSED, calendar: Plain = CALENDAR) -> list[str]:
    """The steps as short sentences, days by their numbers."""
    return [sentence(step) for step in steps(facts, rules, calendar)]


def sentence(step: Step) -> str:
    left = "" if step["remaining"] is None else f" leaving {step['remaining']}"
    as_of, since = DAYS.index(step["as_of"]) + 1, DAYS.index(step["since"]) + 1
    return f"day {as_of}: {step['kind']} {step['level']}{left}, since {since}"


def value(
    facts: list[Plain],
    indicator: str,
    days: int | str | None = None,
    *,
    calendar: Plain = CALENDAR,
    **keys: Any,
) -> Any:
    """What is measured on the day of the facts' only close; None: nothing."""
    condition = {"indicator": indicator, "days": days, **keys, "at_most": 10**6}
    book = rulebook({1: condition})
    book["rules"][0]["needs"] = {"days": 0, "coverage": 0}
    opened = [step for step in steps(facts, book, calendar) if step["kind"] == "opened"]
    return opened[0]["figures"][0]["value"] if opened else None


def rule(name: str, levels: Any, **more: Any) -> Plain:
    """A rule that needs no data beside what it measures."""
    return {"id": name, "levels": levels, "needs": {"days": 0, "coverage": 0}, **more}


def book(*rules: Plain, **more: Any) -> Plain:
    return {"clear_factor": "0.8", "clear_after": 1, "rules": list(rules), **more}


def said(facts: list[Plain], rules: Plain, name: str, calendar: Plain = CALENDAR) -> list[str]:
    """The sentences of one rule's steps."""
    return [sentence(step) for step in steps(facts, rules, calendar) if step["rule"] == name]
