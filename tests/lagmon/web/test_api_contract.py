"""The API against its own document, by somebody else's reading of it: schemathesis makes requests.

It is used as a library. Its plugin for pytest is switched off in pyproject.toml, because it would
be loaded at the start of every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from lagmon.alerts.rules import SHIPPED
from lagmon.web.answers import ROOT
from lagmon.web.api import document
from lagmon.web.app import create_app
from tests.lagmon.builders import NOON
from tests.lagmon.web.stories import LINKS, night

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.specs.openapi.schemas import OpenApiSchema

EXAMPLES = 20  # of each route, of each kind
PATHS = document()["paths"]
WITH_PARAMETERS = [path for path, item in PATHS.items() if "parameters" in item["get"]]
THERE = {"group": "game-consumer", "topic": "plays", "partition": "3"}
bounded = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def schema() -> OpenApiSchema:
    """Give the document, as it is served beside what it describes."""
    app = create_app(night(), SHIPPED, LINKS, lambda: NOON)
    return schemathesis.openapi.from_asgi(f"{ROOT}/openapi.json", app)


@pytest.mark.parametrize(
    ("path", "kind"),
    [(path, GenerationMode.POSITIVE) for path in PATHS]
    + [(path, GenerationMode.NEGATIVE) for path in WITH_PARAMETERS],
)
def test_whatever_is_asked_is_answered_as_documented(
    schema: OpenApiSchema, path: str, kind: GenerationMode
) -> None:
    """Never an error of the server; status, headers and body are such as the document has."""
    asked = 0

    @bounded
    @given(case=schema[path]["GET"].as_strategy(generation_mode=kind))
    def holds(case: Case[Any]) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate()

    holds()
    assert asked >= 1


@pytest.mark.parametrize("path", list(PATHS))
def test_what_is_there_is_answered_as_documented(schema: OpenApiSchema, path: str) -> None:
    """With names that there are, every route has an answer, and it is as its schema says."""
    names = {name: each for name, each in THERE.items() if f"{{{name}}}" in path}

    answer = schema[path]["GET"].Case(path_parameters=names).call_and_validate()

    assert answer.status_code == 200
