"""A real browser, for the tests here; the machine brings it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.world import chromium, executable


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with its module: the tests of others run event loops in the same thread."""
    if executable() is None:
        pytest.skip("a browser is needed: apt-get install chromium")
    with chromium() as found:
        yield found
