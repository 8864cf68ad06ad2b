"""What the tests of notify share: a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.embedded import embedded_server


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """The address of an empty server of this test's own."""
    with embedded_server(tmp_path / "server") as url:
        yield url
