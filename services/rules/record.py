"""A pupil's record: what is written at a checkpoint and read at a start.

Compressed: lessons are much alike, and a record of a school year takes a third of its bytes.
"""

import msgspec
import zstandard

from services.rules.case import Ended, Finding
from services.rules.daybook import OldDays
from services.rules.pupil import Answer, Enrolment, Pupil, Told
from services.rules.window import Lessons


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A pupil as it is kept: all but what is found again from it."""

    folded: tuple[int, int]
    lessons: Lessons
    old: OldDays | None
    enrolment: Enrolment | None
    findings: dict[str, Finding]
    ended: list[Ended]
    told: list[Told]
    answers: list[Answer]
    corrected: int | None
    tally: dict[str, dict[str, int]]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Record)
_ZSTD = zstandard.ZstdCompressor(level=3)


def pack(pupil: Pupil) -> bytes:
    """The record of a pupil."""
    record = Record(*(getattr(pupil, name) for name in Record.__struct_fields__))
    return _ZSTD.compress(_ENCODER.encode(record))


def unpack(record: bytes) -> Pupil:
    """The pupil of a record; its place in the school's daybook is given by the school."""
    known = _DECODER.decode(zstandard.decompress(record))
    return Pupil(0, *(getattr(known, name) for name in Record.__struct_fields__))
