"""Every picture of docs/explanation/traces.md is what the code above it draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from propagation.testing import captured_spans, drawn
from tests.docs.pages import blocks, mock_cluster, run

if TYPE_CHECKING:
    from tests.docs.pages import Block

PAGE = "explanation/traces.md"
PRELUDE, *REST = blocks(PAGE)
PICTURES = list(zip(REST[::2], REST[1::2], strict=True))


def test_code_and_pictures_take_turns() -> None:
    """No example goes without its picture, no picture without the code that makes it."""
    assert [(code.language, picture.language) for code, picture in PICTURES] == (
        [("python", "text")] * len(PICTURES)
    )
    assert len(PICTURES) >= 9


@pytest.mark.parametrize(("code", "picture"), PICTURES, ids=[code.heading for code, _ in PICTURES])
def test_a_picture_is_what_its_code_draws(code: Block, picture: Block) -> None:
    """The code runs against a broker, and its spans are drawn as the page shows them."""
    names: dict[str, Any] = {}
    with mock_cluster() as servers, captured_spans() as spans:
        run(PRELUDE.text, PAGE, servers, names)
        run(code.text, PAGE, servers, names)
        names["producer"].close()

    assert drawn(spans) == picture.text.rstrip("\n")
