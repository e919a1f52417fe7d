"""The how-to on tuning rules prints what it shows, on a night that is made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.docs import night
from tests.docs.shell import followed
from tests.infra.require import need

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "how-to/tune-rules-with-replay.md"


def test_a_night_is_judged_as_the_page_says(tmp_path: Path) -> None:
    """Every command of the page in its order, on one recording; each prints what is shown."""
    need("promtool", "install the Debian package prometheus")
    (tmp_path / "night.jsonl").write_text("".join(f"{line}\n" for line in night.lines()))

    pairs = followed(PAGE, tmp_path)

    assert len(pairs) == 5
    assert [shown for shown, _ in pairs] == [printed for _, printed in pairs]
