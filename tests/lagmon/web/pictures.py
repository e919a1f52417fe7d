"""Take the pictures of ``docs/images`` anew: ``python -m tests.lagmon.web.pictures``.

They show the board of `stories.night`, so that they change only when the page does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.infra.browser import Browser
from tests.infra.wait import until
from tests.lagmon.builders import CLUSTER
from tests.lagmon.web.stories import night, shown

if TYPE_CHECKING:
    from tests.infra.browser import Tab
    from tests.lagmon.web.stories import Shown

IMAGES = Path(__file__).parents[3] / "docs" / "images"
WIDE, NARROW = 1100, 390
HOME, GROUP = "/", f"/group?cluster={CLUSTER}&name=game-consumer"
TAKEN = (
    ("status-page.png", HOME, WIDE, False),
    ("status-page-dark-phone.png", HOME, NARROW, True),
    ("group-page.png", GROUP, WIDE, False),
    ("group-page-dark.png", GROUP, WIDE, True),
)
SOON = 30  # seconds


def take(browser: Browser, page: Shown) -> None:
    """Write every picture."""
    for name, path, width, dark in TAKEN:
        tab = browser.tab(width=width, dark=dark)
        tab.go(page.url + path)
        _wait_live(tab)
        tab.shot(IMAGES / name)


def _wait_live(tab: Tab) -> None:
    until(lambda: "UTC live" in tab.text(), timeout=SOON, what="the page to be live")


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    with Browser() as chromium, shown(night(hostile=False)) as pages:
        take(chromium, pages)
