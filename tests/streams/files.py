"""The calendars and rulebooks that the streams are judged by."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from shared.calendar import SchoolCalendar

Content = dict[str, Any]
"""A file as plain values: what stands in YAML, or in a change on the stream."""

SCHOOL_YEARS: list[Content] = [
    {
        "terms": [
            {"first": "2025-08-18", "last": "2025-11-28"},
            {"first": "2026-01-08", "last": "2026-01-30"},
        ],
        "days_off": [{"first": "2025-10-27", "last": "2025-10-31", "why": "höstlov"}],
    },
    {
        "terms": [
            {"first": "2026-02-09", "last": "2026-04-02"},
            {"first": "2026-04-13", "last": "2026-06-12"},
        ],
        "days_off": [{"first": "2026-05-14", "last": "2026-05-15", "why": "Kristi himmelsfärd"}],
    },
]
"""Of 87 and 80 school days: a year's end, and 60 school days, are within a stream's reach."""


def calendar_content(years: int = 2, study_days: Iterable[date] = ()) -> Content:
    """A calendar of the first `years` school years, in which `study_days` are off."""
    first, *rest = SCHOOL_YEARS[:years]
    more = [{"first": str(day), "last": str(day), "why": "studiedag"} for day in study_days]
    school_years = [{**first, "days_off": [*first["days_off"], *more]}, *rest]
    return {"timezone": "Europe/Stockholm", "day_close": "17:00", "school_years": school_years}


CALENDAR_CONTENT = calendar_content()
"""In force from the start of every stream, unless it stands to say otherwise."""

CALENDAR = SchoolCalendar.model_validate(CALENDAR_CONTENT)


def _rule(name: str, levels: dict[int, Content], **more: Any) -> Content:
    return {"id": name, "title": {"sv": name, "en": name}, "levels": levels, **more}


def _shares(*at_least: str) -> dict[int, Content]:
    levels = enumerate(at_least, start=1)
    return {n: {"indicator": "absence_share", "days": 20, "at_least": share} for n, share in levels}


UNEXCUSED = _rule(
    "repeated-unexcused",
    {
        2: {
            "all": [
                {"indicator": "unexcused_lessons", "days": 10, "at_least": 3},
                {"indicator": "unexcused_days", "days": 10, "at_least": 2},
            ]
        },
        3: {
            "any": [
                {"indicator": "unexcused_lessons", "days": 20, "at_least": 6},
                {"indicator": "unexcused_days", "days": 20, "at_least": 4},
            ]
        },
    },
)
HIGH = _rule("high-absence", _shares("0.10", "0.15", "0.20", "0.50"))
UNBROKEN = _rule(
    "unbroken-absence",
    {n: {"indicator": "absent_run", "at_least": days} for n, days in enumerate((3, 5, 10, 20), 1)},
)
LATES = _rule(
    "late-arrivals",
    {
        1: {"indicator": "lates", "days": 10, "at_least": 4},
        2: {"indicator": "lates", "days": 20, "at_least": 8},
    },
)

RULEBOOK_CONTENT: Content = {
    "clear_factor": "0.8",
    "clear_after": 10,
    "rules": [UNEXCUSED, HIGH, UNBROKEN, LATES],
}
"""The rules of the first issue, in force from the start of every stream."""

RULEBOOK_VARIANTS: dict[str, Content] = {
    "stricter, in another order, and sooner cleared": {
        "clear_factor": "0.5",
        "clear_after": 4,
        "rules": [
            LATES,
            {**UNBROKEN, "levels": {1: {"indicator": "absent_run", "at_least": 2}}},
            {**HIGH, "levels": _shares("0.05", "0.08", "0.12", "0.4")},
            UNEXCUSED,
        ],
    },
    "milder": {
        "clear_factor": "1",
        "clear_after": 10,
        "rules": [{**HIGH, "levels": _shares("0.2", "0.3", "0.4", "0.75")}, UNBROKEN, LATES],
    },
    "one gone and one disabled": {
        "clear_after": 12,
        "rules": [{**HIGH, "enabled": False}, UNEXCUSED, UNBROKEN],
    },
    "other indicators, windows and needs": {
        "rules": [
            UNEXCUSED,
            _rule(
                "high-excused",
                {
                    2: {
                        "indicator": "absence_share",
                        "kind": "excused",
                        "days": 15,
                        "at_least": "0.12",
                    },
                    4: {
                        "indicator": "absence_share",
                        "kind": "excused",
                        "days": 40,
                        "at_least": "0.333333",
                    },
                },
                needs={"coverage": "0.75"},
            ),
            _rule(
                "scattered",
                {
                    1: {
                        "all": [
                            {
                                "indicator": "absence_share",
                                "kind": "unexcused",
                                "days": 5,
                                "at_least": "0.1",
                            },
                            {
                                "any": [
                                    {"indicator": "absent_run", "at_most": 1},
                                    {"indicator": "lates", "days": 5, "at_least": 2},
                                ]
                            },
                        ]
                    }
                },
                needs={"days": 4, "coverage": "0"},
            ),
            _rule(
                "attends",
                {
                    1: {"indicator": "absence_share", "days": 10, "at_most": "0.02"},
                    2: {
                        "all": [
                            {"indicator": "absence_share", "days": 20, "at_most": "0.01"},
                            {"indicator": "unexcused_days", "days": 20, "at_most": 0},
                        ]
                    },
                },
            ),
            {**LATES, "needs": {"days": 6}},
            _rule(
                "unexcused-today",
                {
                    1: {"indicator": "unexcused_lessons", "days": 1, "at_least": 1},
                    2: {"indicator": "unexcused_lessons", "days": 2, "at_least": 3},
                },
                needs={"coverage": 0.75},
            ),
            HIGH,
        ],
    },
}


SMALL_CALENDAR_CONTENT: Content = {
    "timezone": "Europe/Stockholm",
    "day_close": "17:00",
    "school_years": [
        {"terms": [{"first": "2025-08-20", "last": "2025-08-28"}], "days_off": []},
        {"terms": [{"first": "2025-09-01", "last": "2025-09-12"}], "days_off": []},
    ],
}
"""Two school years of 7 and 10 school days: small streams meet a weekend and a year's end."""

SMALL_RULEBOOK_CONTENT: Content = {
    "clear_factor": "0.8",
    "clear_after": 2,
    "rules": [
        _rule(
            "share",
            {
                1: {"indicator": "absence_share", "days": 3, "at_least": "0.25"},
                2: {"indicator": "absence_share", "days": 4, "at_least": "0.5"},
            },
            needs={"days": 2, "coverage": "0.5"},
        ),
        _rule(
            "unexcused",
            {
                1: {"indicator": "unexcused_lessons", "days": 3, "at_least": 1},
                3: {"indicator": "unexcused_days", "days": 5, "at_least": 2},
            },
        ),
        _rule("run", {n: {"indicator": "absent_run", "at_least": n} for n in (1, 2, 3)}),
        _rule("lates", {4: {"indicator": "lates", "days": 2, "at_least": 1}}),
    ],
}
"""Thresholds low enough for a handful of registrations to reach."""
