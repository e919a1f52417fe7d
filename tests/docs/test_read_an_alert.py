"""The how-to on reading an alert explains each line of a real one, in the order they come."""

from __future__ import annotations

from lagmon.model import State
from tests.docs.pages import blocks, table
from tests.docs.test_lagmon_alerts import shown

PAGE = "how-to/read-an-alert.md"
PARTS = ["How bad, and whose", "What is wrong", "Which record", "What to type"]


def explained(heading: str) -> list[str]:
    """Name the lines that the table below *heading* explains, in its order."""
    return [name.strip("` ") for row in table(PAGE, heading)[1:] for name in row[0].split(",")]


def test_the_page_shows_a_real_alert() -> None:
    """Its labels and annotations are those of the recorded incident, to the last digit."""
    alert = shown()
    real = [f"{name}: {value}" for name, value in (alert["labels"] | alert["annotations"]).items()]
    [text] = [block.text for block in blocks(PAGE) if block.language == "text"]

    assert text.splitlines() == real


def test_every_line_is_explained_in_its_order() -> None:
    """None is left out, and none is explained that is not there."""
    alert = shown()

    assert [name for part in PARTS for name in explained(part)] == [
        *alert["labels"],
        *alert["annotations"],
    ]


def test_a_verdict_is_a_state() -> None:
    """The last table names states that there are."""
    named = set(explained("From the verdict to the place"))

    assert named <= {state.value for state in State}
    assert shown()["annotations"]["verdict"] in named
