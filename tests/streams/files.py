"""The calendars and rulebooks that the streams are judged by."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from shared.calendar import SchoolCalendar

Content = dict[str, Any]
"""A file as plain values: what stands in YAML, or in a change on the stream."""

Levels = dict[int, dict[str, Any]]

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


BUS_DELAYS: list[Content] = [
    {"date": "2025-08-26", "before": "09:00", "why": "omledd väg"},
    {"date": "2025-09-10", "before": "10:20", "buses": ["811", "812"], "why": "halka"},
    {"date": "2025-10-07", "before": "10:00", "buses": ["811"]},
]


def calendar_content(
    years: int = 2, study_days: Iterable[date] = (), delays: Iterable[Content] = ()
) -> Content:
    """A calendar of the first `years` school years, in which `study_days` are off and buses came
    late on `delays` too."""
    first, *rest = SCHOOL_YEARS[:years]
    more = [{"first": str(day), "last": str(day), "why": "studiedag"} for day in study_days]
    school_years = [{**first, "days_off": [*first["days_off"], *more]}, *rest]
    return {
        "timezone": "Europe/Stockholm",
        "day_close": "17:00",
        "school_years": school_years,
        "bus_delays": [*BUS_DELAYS, *delays],
    }


CALENDAR_CONTENT = calendar_content()
"""In force from the start of every stream, unless it stands to say otherwise."""

CALENDAR = SchoolCalendar.model_validate(CALENDAR_CONTENT)


def _rule(name: str, levels: Levels, **more: Any) -> Content:
    return {"id": name, "title": {"sv": name, "en": name}, "levels": levels, **more}


def _shares(*at_least: str) -> Levels:
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
    "bus_delays": [{"date": "2025-08-21", "before": "11:00", "buses": ["811"]}],
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


# ---- Every indicator -----------------------------------------------------------------------


def _steps_of(indicator: str, *thresholds: object, edge: str = "at_least", **keys: Any) -> Levels:
    """A condition a level, from level 1 on."""
    levels = enumerate(thresholds, start=1)
    return {n: {"indicator": indicator, **keys, edge: threshold} for n, threshold in levels}


_FEWER_NEEDS = {"days": 4, "coverage": "0.6"}

PLAIN_RULES: list[Content] = [
    _rule("absence-share", _steps_of("absence_share", "0.10", "0.2", "0.4", days=15)),
    _rule(
        "excused-this-term",
        _steps_of("absence_share", "0.08", "0.2", kind="excused", days="term"),
        clear_factor="0.95",
        clear_after=3,
    ),
    _rule(
        "unexcused-this-year",
        {
            2: {
                "indicator": "absence_share",
                "kind": "unexcused",
                "days": "year",
                "at_least": "0.08",
            },
            4: {
                "indicator": "absence_share",
                "kind": "unexcused",
                "days": 10,
                "at_least": "0.333333",
            },
        },
        clear_factor="1",
        clear_after=2,
    ),
    _rule("scattered-share", _steps_of("scattered_share", "0.08", "0.2", days=15)),
    _rule(
        "unexcused-lessons",
        {
            1: {"indicator": "unexcused_lessons", "days": 1, "at_least": 1},
            3: {"indicator": "unexcused_lessons", "days": 5, "at_least": 4},
        },
        evaluate="on_event",
        clear_after=2,
    ),
    _rule(
        "unexcused-days",
        _steps_of("unexcused_days", 2, 4, 7, days=10),
        needs={"days": 5},
        evaluate="on_event",
    ),
    _rule("absent-run", _steps_of("absent_run", 2, 4, 7, 12), evaluate="on_event"),
    _rule("lates", _steps_of("lates", 3, 5, days=10)),
    _rule("spells", _steps_of("spells", 2, 4, days=30)),
    _rule("spell-days", _steps_of("spell_days", 3, 7, days=12), clear_after=3),
    _rule("bradford", _steps_of("bradford", 8, 32, days=30)),
    _rule("weekday-hits", _steps_of("weekday_hits", 2, 3, 5, days=20)),
    _rule("weekday-share", _steps_of("weekday_share", "0.5", "0.8", days=20), needs=_FEWER_NEEDS),
    _rule("weekday-tail", _steps_of("weekday_tail", "0.3", "0.1", "0.02", edge="at_most", days=20)),
    _rule("edge-hits", _steps_of("edge_hits", 2, 4, days=6)),
    _rule("edge-ratio", _steps_of("edge_ratio", "1.5", "4", days=8), needs=_FEWER_NEEDS),
    _rule("subject-missed", _steps_of("subject_missed", 4, 8, days=15)),
    _rule("subject-share", _steps_of("subject_share", "0.3", "0.7", days=15), clear_after=3),
    _rule("subject-ratio", _steps_of("subject_ratio", "1.5", "6", days=15), needs=_FEWER_NEEDS),
    _rule("internal-truancy-days", _steps_of("internal_truancy_days", 1, 2, days=10)),
    _rule("first-misses", _steps_of("first_last_misses", 3, 6, days=10)),
    _rule("last-misses", _steps_of("first_last_misses", 2, 5, kind="last", days=8)),
    _rule("rise", _steps_of("rise", "0.1", "0.3", days=6), needs=_FEWER_NEEDS),
    _rule("rise-ratio", _steps_of("rise_ratio", "1.5", "4", "1000", days=6), needs=_FEWER_NEEDS),
    _rule("term-start-days", _steps_of("term_start_days", 2, 5, days=20), clear_after=3),
    _rule(
        "persistent-blocks",
        _steps_of("persistent_blocks", 2, 4, share="0.1", days=6),
        needs=_FEWER_NEEDS,
    ),
    _rule("quarter-days", _steps_of("quarter_days", 3, 7, days=12)),
    _rule("leave-days", _steps_of("leave_days", 1, 3, days=25)),
]
"""Rules on a pupil's own registrations, one an indicator at least; low enough to be reached."""

_WEEKDAY = {
    "all": [
        {"indicator": "weekday_hits", "days": 30, "at_least": 3},
        {"indicator": "weekday_share", "days": 30, "at_least": "0.4"},
        {"indicator": "weekday_tail", "days": 30, "at_most": "0.25"},
    ]
}
_SUBJECT = {
    "all": [
        {"indicator": "subject_missed", "days": 20, "at_least": 3},
        {"indicator": "subject_share", "days": 20, "at_least": "0.3"},
        {"indicator": "subject_ratio", "days": 20, "at_least": "2"},
    ]
}
_SHARP = {"indicator": "rise", "days": 5, "at_least": "0.4"}
_EARLY = {
    "any": [
        {"indicator": "term_start_days", "days": 10, "at_least": 2},
        {
            "all": [
                {"indicator": "rise", "days": 5, "at_least": "0.1"},
                {"indicator": "rise_ratio", "days": 5, "at_least": "2"},
                {"indicator": "absence_share", "days": 5, "at_least": "0.1"},
            ]
        },
    ]
}

OTHER_RULES: list[Content] = [
    _rule(
        "one-weekday", {2: _WEEKDAY, 4: {"indicator": "weekday_hits", "days": 30, "at_least": 5}}
    ),
    _rule(
        "one-subject", {2: _SUBJECT, 3: {"indicator": "subject_missed", "days": 20, "at_least": 9}}
    ),
    _rule("early-or-sharp", {2: _EARLY, 3: _SHARP}, needs=_FEWER_NEEDS),
    _rule(
        "tried-in-shadow",
        {
            1: {"indicator": "quarter_days", "days": 10, "at_least": 2},
            2: {"indicator": "spells", "days": "term", "at_least": 2},
        },
        shadow=True,
    ),
    _rule("return", _steps_of("return", 1, 2, 4), good_news=True, clear_after=4),
    _rule(
        "attends-again",
        _steps_of("absence_share", "0.05", "0.02", edge="at_most", days=8),
        good_news=True,
        needs=_FEWER_NEEDS,
    ),
    _rule(
        "findings",
        {
            3: {"indicator": "findings", "days": 10, "at_least": 3},
            4: {"indicator": "findings", "days": 15, "level": 2, "at_least": 4},
        },
        clear_after=3,
    ),
    _rule(
        "findings-of-some",
        {
            2: {
                "indicator": "findings",
                "days": 10,
                "rules": ["absent-run", "lates", "unexcused-days"],
                "at_least": 2,
            },
            3: {"indicator": "findings", "days": 20, "rules": ["absent-run"], "at_least": 1},
        },
        clear_after=2,
    ),
    _rule(
        "relapse",
        _steps_of("relapse", "0.05", "0.12", "0.25", days=8),
        clear_after=8,
        needs=_FEWER_NEEDS,
    ),
    _rule(
        "improvement",
        {
            1: {
                "all": [
                    {"indicator": "improvement", "days": 8, "at_most": "0.5"},
                    {"indicator": "absence_share", "days": 8, "at_most": "0.3"},
                ]
            },
            2: {"indicator": "improvement", "days": 8, "at_most": "0.2"},
        },
        good_news=True,
        needs=_FEWER_NEEDS,
        clear_after=2,
    ),
    _rule("unanswered", _steps_of("unanswered", 2, 4, 8), clear_after=2),
    _rule("unanswered-in-shadow", _steps_of("unanswered", 1, 5), shadow=True, clear_after=1),
]
"""Compound rules, good news, one that is only tried, and those on a case."""

UNIT_RULES: list[Content] = [
    _rule(
        "class-outbreak",
        {
            1: {"indicator": "class_newly_absent", "at_least": "0.3"},
            2: {
                "all": [
                    {"indicator": "class_newly_absent", "at_least": "0.4"},
                    {"indicator": "class_newly_absent_ratio", "days": 15, "at_least": "2"},
                ]
            },
        },
        units=["class"],
        damps=["absent-run", "spells"],
        clear_after=2,
    ),
    _rule(
        "class-ratio",
        _steps_of("class_newly_absent_ratio", "1.2", "3", "1000", days=12),
        units=["class"],
        clear_after=3,
    ),
    _rule(
        "unregistered-lessons",
        _steps_of("unregistered_lessons", 2, 4, 8, days=3),
        units=["group", "school"],
        clear_after=2,
    ),
    _rule(
        "registered-share",
        _steps_of("registered_share", "0.9", "0.7", edge="at_most", days=5),
        units=["school", "group"],
        clear_after=2,
    ),
]

EVERY_INDICATOR_RULEBOOK: Content = {
    "clear_factor": "0.8",
    "clear_after": 5,
    "cool_down": 5,
    "handover": {"days": 25, "share": "0.10", "factor": "0.6"},
    "rules": [*UNIT_RULES[:2], *OTHER_RULES[-6:], *PLAIN_RULES, *OTHER_RULES[:-6], *UNIT_RULES[2:]],
    "schools": {
        "österby": {
            "clear_after": 3,
            "cool_down": 2,
            "handover": {"days": 60, "share": "0.05", "factor": "0.5"},
            "rules": [
                {
                    "id": "absence-share",
                    "levels": {
                        "1": None,
                        "4": {"indicator": "absence_share", "days": 20, "at_least": "0.5"},
                    },
                    "clear_factor": "0.9",
                },
                {"id": "lates", "enabled": False},
                _rule("lates-there", _steps_of("lates", 2, 3, days=5)),
            ],
        }
    },
}
"""A rule for every indicator, and every other thing that a rulebook can say."""

_TRIED: Content = {"shadow": True, "evaluate": "daily"}

CASE_RULEBOOK: Content = {
    **EVERY_INDICATOR_RULEBOOK,
    "clear_after": 3,
    "rules": [
        *(
            rule if rule["id"] in ("absent-run", "lates", "unexcused-days") else {**rule, **_TRIED}
            for rule in PLAIN_RULES
            if rule["id"] != "unexcused-lessons"
        ),
        *OTHER_RULES[4:],
    ],
    "schools": {},
}
"""Few ordinary rules, the others in shadow: nothing stands open, now and then."""

EVERY_RULEBOOKS: dict[str, Content] = {
    "every": EVERY_INDICATOR_RULEBOOK,
    "on a case": CASE_RULEBOOK,
    "sooner, in another order, without handover": {
        "clear_factor": "0.6",
        "clear_after": 2,
        "rules": [*reversed(PLAIN_RULES), *UNIT_RULES, *OTHER_RULES],
    },
    "some gone, some off, and units of fewer kinds": {
        "clear_after": 4,
        "cool_down": 8,
        "handover": {},
        "rules": [
            *({**rule, "enabled": n % 3 > 0} for n, rule in enumerate(PLAIN_RULES) if n % 4),
            *OTHER_RULES[3:6],
            *OTHER_RULES[-4:-1],
            {**UNIT_RULES[2], "units": ["school"]},
            {**UNIT_RULES[0], "shadow": True, "damps": []},
        ],
    },
}
"""What such a stream changes between."""


def _sooner(rule: Content) -> Content:
    """The rule over so few days that small streams reach it."""
    levels = {level: _small(condition) for level, condition in rule["levels"].items()}
    sooner = {**rule, "levels": levels, "clear_after": 2}
    return sooner if rule.get("units") else {**sooner, "needs": {"days": 0, "coverage": "0.3"}}


def _small(condition: Content) -> Content:
    for key in ("all", "any"):
        if key in condition:
            return {key: [_small(part) for part in condition[key]]}
    days = condition.get("days")
    if not isinstance(days, int) or condition["indicator"] == "class_newly_absent_ratio":
        return condition
    return {**condition, "days": max(1, days // 5)}


SMALL_EVERY_RULEBOOK: Content = {
    **EVERY_INDICATOR_RULEBOOK,
    "clear_after": 2,
    "cool_down": 2,
    "handover": {"days": 4, "factor": "0.6"},
    "rules": [_sooner(rule) for rule in EVERY_INDICATOR_RULEBOOK["rules"]],
    "schools": {},
}
"""A rule for every indicator, for streams of a handful of registrations."""
