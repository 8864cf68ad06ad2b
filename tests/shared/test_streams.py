"""Where a pupil's data lies is data layout: it may never move."""

from hypothesis import given
from hypothesis import strategies as st

from shared import streams
from shared.streams import entry_order, partition_of


def test_pupils_stay_in_the_partitions_that_they_have_always_been_in() -> None:
    placed = [partition_of("skola-1", f"p{number:04}", 8) for number in range(1, 9)]

    assert placed == [4, 6, 0, 3, 5, 7, 1, 0]
    assert partition_of("österby", "p0001", 8) == 2


def test_the_same_pupil_name_at_two_schools_is_two_pupils() -> None:
    assert partition_of("alvik", "p1", 256) != partition_of("österby", "p1", 256)


@given(st.text(min_size=1), st.text(min_size=1), st.integers(1, 256))
def test_every_pupil_has_one_partition_of_those_there_are(
    school: str, pupil: str, partitions: int
) -> None:
    assert partition_of(school, pupil, partitions) in range(partitions)


def test_entries_are_ordered_as_numbers() -> None:
    ids = ["9-1", "10-0", "10-9", "10-10", "1756111111111-0"]

    assert sorted(sorted(ids), key=entry_order) == ids
    assert entry_order("5") == entry_order("5-0")


def test_every_key_of_a_partition_lies_in_one_slot_of_a_cluster() -> None:
    keys = (
        streams.attendance,
        streams.case_steps,
        streams.pupils,
        streams.checkpoint,
        streams.position,
        streams.lease,
        streams.imports,
        streams.quarantine,
    )

    assert all("{7}" in key(7) for key in keys)
    assert len({key(7) for key in keys}) == len(keys)
