"""A simulated school's frame: classes with a fixed week, teachers with habits, and a roster.

Everything here depends on the seed, the school and the class alone, so that a school with more
pupils has more classes and otherwise the same days. All people are invented.
"""

from dataclasses import dataclass
from datetime import date
from random import Random
from string import ascii_uppercase
from typing import NamedTuple

from services.ingest.roster import Roster
from shared.roster import RosterPupil, StaffMember

SLIDES = 0.15
"""Share of pupils who are not ordinary."""

CLASS_SIZE = 34
"""Two contact teachers a class: 17 pupils each."""

FIRST_LESSON = 8 * 60 + 10
LAST_LESSON_ENDS = 15 * 60 + 30
_BREAK = 10
_LUNCH = 40
_LONGEST_LESSON = {4: 80, 5: 70, 6: 60}
"""By lessons a day, so that they fit with their breaks."""

_LESSONS_A_WEEK = {
    "SV": 5,
    "MA": 5,
    "EN": 4,
    "NO": 4,
    "SO": 4,
    "M2": 3,
    "IDH": 2,
    "SL": 1,
    "BL": 1,
    "MU": 1,
}
_END_OF_DAY_TEACHERS = 0.15
_FORGETFUL_TEACHERS = 0.05


class Lesson(NamedTuple):
    """A place in a class's week; times are minutes after midnight, local."""

    number: int
    starts: int
    minutes: int
    subject: str


@dataclass(frozen=True)
class SchoolClass:
    """A class, its lessons from Monday to Friday, and the habits of those who register them."""

    name: str
    week: tuple[tuple[Lesson, ...], ...]
    late_registering: frozenset[str]
    """Subjects registered at the end of the day."""
    forgetful: frozenset[str]
    """Subjects whose teacher often forgets to register, where a school has such teachers."""

    def group(self, subject: str) -> str:
        """The key of the teaching group that registers a subject: `7A-MA`."""
        return f"{self.name}-{subject}"


def school_name(number: int) -> str:
    return f"skola-{number}"


def pupil_name(number: int) -> str:
    """An opaque identifier; the roster alone has names."""
    return f"p{number:04}"


def will_slide(seed: int, school: str, pupil: str, slides: float) -> bool:
    """Does a pupil slide, where there are days enough to? The first thing their source says."""
    return pupil_source(seed, school, pupil).random() < slides


def pupil_source(seed: int, school: str, pupil: str) -> Random:
    """Each pupil has a random source of their own, so that nobody's days depend on others'."""
    return Random(f"{seed}/{school}/{pupil}")


def class_name(pupil: int) -> str:
    """The class of the school's pupil with this number, from 1: 7A fills first, then 8A, 9A, 7B."""
    block = (pupil - 1) // CLASS_SIZE
    turns, letter = divmod(block // 3, len(ascii_uppercase))
    return f"{7 + block % 3}{ascii_uppercase[letter] * (turns + 1)}"


def school_class(seed: int, school: str, name: str) -> SchoolClass:
    rng = Random(f"{seed}/{school}/{name}")
    deck = [subject for subject, lessons in _LESSONS_A_WEEK.items() for _ in range(lessons)]
    rng.shuffle(deck)
    week = tuple(_day(rng, deck) for _ in range(5))
    late = frozenset(each for each in _LESSONS_A_WEEK if rng.random() < _END_OF_DAY_TEACHERS)
    forgetful = frozenset(each for each in _LESSONS_A_WEEK if rng.random() < _FORGETFUL_TEACHERS)
    return SchoolClass(name, week, late, forgetful)


def _day(rng: Random, deck: list[str]) -> tuple[Lesson, ...]:
    count = rng.choice((4, 5, 5, 6, 6))
    minutes = [rng.randrange(40, _LONGEST_LESSON[count] + 1, 5) for _ in range(count)]
    breaks = [_BREAK] * (count - 1)
    breaks[count // 2 - 1] = _LUNCH
    spare = LAST_LESSON_ENDS - FIRST_LESSON - sum(minutes) - sum(breaks)
    start = FIRST_LESSON + rng.randrange(0, min(spare, 60) + 1, 5)
    lessons = []
    for number, (length, pause) in enumerate(zip(minutes, [*breaks, 0], strict=True), 1):
        lessons.append(Lesson(number, start, length, deck.pop()))
        start += length + pause
    return tuple(lessons)


class _Making(NamedTuple):
    seed: int
    school: str
    valid_from: date
    slides: float


def school_roster(
    seed: int, school: str, pupils: int, valid_from: date, slides: float = SLIDES
) -> Roster:
    """The school's pupils, enrolled on `valid_from`, and staff with addresses that reach nobody."""
    making = _Making(seed, school, valid_from, slides)
    numbers = range(1, pupils + 1)
    classes = dict.fromkeys(map(class_name, numbers))
    roles = [(_teacher(name, half), "contact_teacher") for name in classes for half in (0, 1)]
    roles += [("eht1", "eht"), ("eht2", "eht"), ("rektor", "rektor")]
    roles += [("admin", "admin"), ("koordinator", "coordinator")]
    return Roster(
        tuple(_pupil(making, number) for number in numbers),
        tuple(_member(making, number, *member) for number, member in enumerate(roles)),
    )


def _teacher(name: str, half: int) -> str:
    return f"k{name.lower()}{half + 1}"


def _pupil(making: _Making, number: int) -> RosterPupil:
    pupil, name = pupil_name(number), class_name(number)
    rng = _rng(making, pupil)
    return RosterPupil.model_validate(
        {
            "school": making.school,
            "pupil": pupil,
            "name": _person(rng),
            "class": name,
            "work_team": f"Arbetslag {name[0]}",
            "enrolled": making.valid_from,
            "contact_teachers": (_teacher(name, number % 2),),
            "bus": f"linje {rng.randint(1, 6)}" if rng.random() < 0.5 else "",
            "valid_from": making.valid_from,
            **(_handover(making, pupil) if name.startswith("7") else {}),
        }
    )


def _handover(making: _Making, pupil: str) -> dict[str, object]:
    """What the feeder school says of a new pupil: a little more of those who will slide."""
    rng = _rng(making, f"{pupil}/handover")
    sliding = will_slide(making.seed, making.school, pupil, making.slides)
    if rng.random() < _FROM_ELSEWHERE:
        return {}
    share = rng.betavariate(2, 26 if sliding else 38)
    return {
        "feeder_school": rng.choice(_FEEDER_SCHOOLS),
        "need": rng.random() < (_NEED_SLIDING if sliding else _NEED),
        "last_year_share": None if rng.random() < _SHARE_UNKNOWN else f"{share:.3f}",
    }


_FEEDER_SCHOOLS = ("skola-f1", "skola-f2", "skola-f3")
_FROM_ELSEWHERE = 0.1
_SHARE_UNKNOWN = 0.2
_NEED, _NEED_SLIDING = 0.05, 0.15

_SLOT_TIMES = ("14:00", "14:30", "15:00", "15:30", "16:00")
_SLOT_DAYS = ("mon", "tue", "wed", "thu", "fri")
# The numbers 070-174 06 05 to 070-174 06 99 are set aside for fiction by the telecom authority.
_FICTION = range(605, 700)


def _member(making: _Making, number: int, staff: str, role: str) -> StaffMember:
    slot = f"{_SLOT_DAYS[number % 5]} {_SLOT_TIMES[number // 5 % 5]}"
    return StaffMember.model_validate(
        {
            "school": making.school,
            "staff": staff,
            "name": _person(_rng(making, staff)),
            "roles": (role,),
            "email": f"{staff}@{making.school}.example",
            "mobile": f"+46701740{_FICTION[number % len(_FICTION)]}",
            "slot": slot if role == "contact_teacher" else "",
            "valid_from": making.valid_from,
        }
    )


_FIRST_NAMES = (
    "Agda Alva Arvid Asta Bilal Dilara Ebbe Edit Elof Emina Folke Freja Gustav Hedda Idris Inez "
    "Ivar Jonna Kaspian Leyla Liv Loke Majken Melker Mira Nils Noor Otto Petra Ragna Rasmus Samir "
    "Signe Sixten Tage Tilde Tova Vera Ville Yusra"
)
_LAST_NAMES = (
    "Ahlgrund Backlind Björkvall Dahlrot Ekstrand Fagerlid Granholt Haddaryd Hjortmark Ivarslätt "
    "Kjellvik Kvarnlund Lingonhed Ljungås Mossfors Nordäng Ormeryd Rönnbacka Sandhult Skogsvall "
    "Stenbrott Tallmo Vikarö Vintermark Ågränd Åskvik Älvhage Ängsmo Öbrink Österlid"
)


def _rng(making: _Making, who: str) -> Random:
    return Random(f"{making.seed}/{making.school}/{who}/roster")


def _person(rng: Random) -> str:
    return f"{rng.choice(_FIRST_NAMES.split())} {rng.choice(_LAST_NAMES.split())}"
