"""How many entries of a stream can't be read."""

import pytest

from shared.refusals import Refusals, TooManyRefusedError


def test_half_of_a_thousand_may_be_bad_and_one_more_stops_the_reader() -> None:
    refusals = Refusals("attendance:{0}")
    for _ in range(500):
        refusals.read()
        refusals.refused()
    refusals.read()

    with pytest.raises(TooManyRefusedError, match="501 of 501 entries") as error:
        refusals.refused()

    assert "narvara quarantine list" in str(error.value)


def test_after_a_thousand_entries_counting_begins_anew() -> None:
    refusals = Refusals("attendance:{0}")
    for _ in range(10):
        for _ in range(400):
            refusals.read()
            refusals.refused()
        for _ in range(600):
            refusals.read()
