"""Every page of a simulated school as an image, for the documentation (`make screenshots`)."""

import sys
import tempfile
from pathlib import Path

from shared.embedded import embedded_server
from tests.browser.tour import tour
from tests.browser.world import DESKTOP, PHONE, chromium, executable, simulated_world

SIZES = {"phone": PHONE, "desktop": DESKTOP}
MOST = 1600
"""Pixels of height: a page that is longer is shown by its beginning."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as kept,
        embedded_server(Path(kept) / "server") as url,
        simulated_world(url, Path(kept), pupils=80, live_days=13) as world,
        chromium() as browser,
    ):
        for name, size in SIZES.items():
            for stop in tour(world, browser, size, "light"):
                width = size[0]
                tall = stop.page.evaluate("document.documentElement.scrollHeight")
                stop.page.screenshot(
                    path=folder / f"{stop.name}-{name}.png",
                    full_page=True,
                    clip={"x": 0, "y": 0, "width": width, "height": min(tall, MOST)},
                )


if __name__ == "__main__":
    if executable() is None:
        sys.exit("a browser is needed: apt-get install chromium")
    main(Path(__file__).parents[2] / "docs" / "img" / "pages")
