"""Names of streams and keys, which partition a pupil belongs to, and how entries are compared.

Every key of a partition carries the hash tag `{p}`, so that one partition is one slot and one
script, on a single server and on a cluster alike.
"""

from zlib import crc32

BODY = b"json"
"""The field of a stream entry that holds its message as JSON."""

LAYOUT = "narvara:layout"
"""Holds the partition count: data layout, stored at first start and refused if it differs later."""


def partition_of(school: str, pupil: str, partitions: int) -> int:
    """The partition, 0 to `partitions` - 1, that owns a pupil."""
    return crc32(f"{school}/{pupil}".encode()) % partitions


def attendance(partition: int) -> str:
    return f"attendance:{{{partition}}}"


def case_steps(partition: int) -> str:
    return f"case-steps:{{{partition}}}"


def pupils(partition: int) -> str:
    """Hash: `school/pupil` → the pupil's record at the last checkpoint."""
    return f"pupils:{{{partition}}}"


def checkpoint(partition: int) -> str:
    """Hash: `id`, the entry up to which all pupils are written, and `state`, what goes with it."""
    return f"checkpoint:{{{partition}}}"


def position(partition: int) -> str:
    """The entry up to which steps are written."""
    return f"position:{{{partition}}}"


def lease(partition: int) -> str:
    return f"lease:{{{partition}}}"


def imports(partition: int) -> str:
    """Hash: `source outcome` → count, as of the last checkpoint."""
    return f"imports:{{{partition}}}"


def quarantine(partition: int) -> str:
    """Hash: digest → what was refused, with the reason."""
    return f"quarantine:{{{partition}}}"


NOTIFY_QUARANTINE = "quarantine:{notify}"
"""Hash: digest → a case step that notify could not read, with the reason."""


def entry_order(entry_id: str) -> tuple[int, int]:
    """An entry id as numbers: `…-9` comes before `…-10`."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
