"""The reference page of the stand-in against the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from consumers.fintech.faults import Fault, Mode
from consumers.fintech.ledger import MAX_ID, Entry, Order

PAGE = (Path(__file__).parents[3] / "docs/reference/consumers-fintech.md").read_text()


def table(first: str) -> dict[str, str]:
    """Give the first two cells of the rows of the table whose first heading is *first*."""
    rows = PAGE.split(f"\n| {first} |")[1].split("\n\n")[0].splitlines()[2:]
    cells = ([cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in rows)
    return {name: second for name, second, *_ in cells}


def test_the_switch_is_listed() -> None:
    """Every key with its default, and every mode."""
    listed = {
        name: json.loads(value) if value != "none" else value
        for name, value in table("key").items()
    }

    assert listed == Fault().model_dump(mode="json")
    (modes,) = re.findall(r"^\| `mode` \|.*?\| (.*) \|$", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", modes) == [mode.value for mode in Mode]


def test_the_bodies_are_the_real_ones() -> None:
    """The examples are read by the code, and an entry's fields are in order."""
    order, switch = re.findall(r"^\{.*\}$", PAGE, re.MULTILINE)
    (fields,) = re.findall(r"a line of JSON each: (.*?)\. ", PAGE)

    assert Order.model_validate_json(order).model_dump() == json.loads(order)
    assert Fault.model_validate_json(switch).mode is Mode.FAIL
    assert re.findall(r"`(\w+)`", fields) == list(Entry.__slots__)
    assert f"1 to {MAX_ID} visible" in PAGE
