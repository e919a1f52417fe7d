"""The shape of the tree: sizes, docstrings, public names, imports, and words that do not belong."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("propagation", "consumers", "lagmon")
MODULE_LINES, FUNCTION_LINES = 300, 40

# Stages of lagmon that decide: they are handed the time and everything else they need to know.
PURE = (
    "lagmon/model.py",
    "lagmon/readings.py",
    "lagmon/state/kept.py",
    "lagmon/notify/commands.py",
    "lagmon/notify/fallback.py",
    "lagmon/notify/phrases.py",
    "lagmon/exposition/bounds.py",
    "lagmon/exposition/compatibility.py",
    "lagmon/exposition/text.py",
    "lagmon/exposition/names.py",
    "lagmon/exposition/page.py",
    "lagmon/past.py",
    "lagmon/exposition/rows.py",
    "lagmon/topics.py",
    "lagmon/retention.py",
    "lagmon/waited.py",
    "lagmon/web/accepting.py",
    "lagmon/web/answers.py",
    "lagmon/web/chart.py",
    "lagmon/web/choice.py",
    "lagmon/web/detail.py",
    "lagmon/web/lookup.py",
    "lagmon/recording/lines.py",
    "lagmon/wire.py",
    "lagmon/recording/replay.py",
    "lagmon/once.py",
    "lagmon/recording/exchanges.py",
    "lagmon/fields.py",
    "lagmon/collector/assemble.py",
    "lagmon/collector/rota.py",
    "lagmon/collector/caches.py",
    "lagmon/collector/memory.py",
    "lagmon/collector/patience.py",
    "lagmon/collector/lanes.py",
    "lagmon/collector/carried.py",
    "lagmon/collector/grants.py",
    "lagmon/doctor/brokers.py",
    "lagmon/doctor/clocks.py",
    "lagmon/doctor/clusters.py",
    "lagmon/doctor/examination.py",
    "lagmon/doctor/findings.py",
    "lagmon/doctor/sheet.py",
    "lagmon/doctor/surroundings.py",
    "consumers/types.py",
    "consumers/runtime/status.py",
    "consumers/errors.py",
    "consumers/outages.py",
    "consumers/breaker.py",
    "consumers/runtime/backoff.py",
    "consumers/runtime/offsets.py",
    "consumers/runtime/lanes.py",
    "consumers/runtime/pace.py",
    "consumers/runtime/backlog.py",
    "consumers/configuration/showing.py",
    "consumers/deadletters/envelope.py",
    "consumers/deadletters/letters.py",
    "consumers/deadletters/planning.py",
    "consumers/deadletters/selection.py",
    "consumers/deadletters/wording.py",
    "consumers/kafka/properties.py",
    "consumers/game/catalogue.py",
    "consumers/game/events.py",
    "consumers/game/service.py",
    "consumers/game/answers.py",
    "consumers/fintech/faults.py",
    "propagation/w3c.py",
    "propagation/w3c_baggage.py",
    "propagation/headers.py",
)
ROOMS = ("lagmon/judge", "lagmon/alerts")  # where everything is pure
IMPURE = {
    "asyncio", "confluent_kafka", "httpx", "os", "psycopg", "random", "requests", "socket",
    "starlette", "subprocess", "threading", "time", "uvicorn",
}  # fmt: skip
STAGES = {
    "lag",
    "seconds",
    "evaluate",
    "suspects",
    "incidents",
    "board",
    "page",
    "notify",
    "collector",
    "supervise",
}


class Module(NamedTuple):
    """One file of source and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module


def modules(folder: str) -> list[Module]:
    """Read every Python file below *folder*."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return [Module(path, text := path.read_text(), ast.parse(text)) for path in paths]


def named(module: Module) -> str:
    """Give the path of *module* as seen from the root."""
    return str(module.path.relative_to(ROOT))


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """List every function in *tree*, methods and nested ones too."""
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def imported(tree: ast.AST) -> set[str]:
    """List the full names of the modules that *tree* imports when it runs."""
    checked = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in checked:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


SOURCES = [module for package in PACKAGES for module in modules(package)]
TESTS = modules("tests")
each_source = pytest.mark.parametrize("module", SOURCES, ids=named)


@each_source
def test_a_module_fits_a_few_screens(module: Module) -> None:
    """A module stays under 300 lines and a function under 40."""
    lines = module.text.count("\n")
    long = [
        f"{function.name}: {function.end_lineno - function.lineno + 1} lines"
        for function in functions(module.tree)
        if function.end_lineno and function.end_lineno - function.lineno >= FUNCTION_LINES
    ]

    assert lines < MODULE_LINES, f"{named(module)} has {lines} lines"
    assert not long


@each_source
def test_a_module_states_its_contract(module: Module) -> None:
    """A module's docstring says more than its name, and everything public in it has one too."""
    doc = ast.get_docstring(module.tree) or ""
    public = [
        node.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if not ast.get_docstring(node)
    ]

    assert len(doc.split()) >= 5, f"{named(module)} opens with {doc!r}"
    assert not public, f"classes without a docstring: {public}"


@each_source
def test_nothing_is_left_for_later(module: Module) -> None:
    """No note to self stands in the source."""
    marks = re.findall(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b", module.text)

    assert not marks


@pytest.mark.parametrize("path", [*PURE, *(named(m) for room in ROOMS for m in modules(room))])
def test_what_decides_does_not_act(path: str) -> None:
    """A pure module imports neither a clock, nor a client, nor the system."""
    tree = ast.parse((ROOT / path).read_text())

    reached = {name.split(".")[0] for name in imported(tree)}

    assert not reached & IMPURE


CORE = [m for m in modules("propagation") if m.path.parent.name == "propagation"]


@pytest.mark.parametrize("module", [m for m in CORE if m.path.stem != "testing"], ids=named)
def test_the_core_of_propagation_needs_no_sdk(module: Module) -> None:
    """Of OpenTelemetry, the modules beside sdk/ and integrations/ import the API alone."""
    parts = {name.split(".")[1] for name in imported(module.tree) if name[:14] == "opentelemetry."}

    assert parts <= {"baggage", "context", "metrics", "propagate", "propagators", "trace", "util"}


def stage_of(module: Module) -> str:
    """Give the file in one of the rooms, or else the file or folder below lagmon/, of *module*."""
    return stage_named(".".join(module.path.relative_to(ROOT).with_suffix("").parts))


def stage_named(name: str) -> str:
    """Give the stage that the module *name* belongs to."""
    _, *parts = name.split(".")
    return parts[min(len(parts) - 1, f"lagmon/{parts[0]}" in ROOMS)]


@pytest.mark.parametrize(
    "module", [m for m in modules("lagmon") if stage_of(m) in STAGES], ids=named
)
def test_a_stage_does_not_know_another(module: Module) -> None:
    """A stage imports the model and its own folder, never a neighbour: loop joins them."""
    own = stage_of(module)

    reached = {stage_named(name) for name in imported(module.tree) if name.startswith("lagmon.")}

    assert not (reached & STAGES) - {own}


def test_only_the_collector_talks_to_kafka() -> None:
    """In lagmon no module outside collector/ imports a Kafka client."""
    talkers = [
        named(m)
        for m in modules("lagmon")
        if m.path.parent.name != "collector"
        if any(name.split(".")[0] == "confluent_kafka" for name in imported(m.tree))
    ]

    assert not talkers


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_names_are_the_real_ones(package: str) -> None:
    """A package's __all__ is sorted and each name in it exists."""
    names = getattr(importlib.import_module(package), "__all__", [])

    assert list(names) == sorted(names)
    assert all(hasattr(importlib.import_module(package), name) for name in names)
    assert (ROOT / package / "py.typed").exists()


@pytest.mark.parametrize(
    ("module", "test"),
    [(m, f) for m in TESTS for f in functions(m.tree) if f.name.startswith("test_")],
    ids=lambda part: named(part) if isinstance(part, Module) else part.name,
)
def test_a_test_is_a_sentence(module: Module, test: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Every test says in one docstring what holds, and does not sleep."""
    called = {ast.unparse(node.func) for node in ast.walk(test) if isinstance(node, ast.Call)}

    assert ast.get_docstring(test), f"{named(module)}::{test.name} has no docstring"
    assert "time.sleep" not in called


def test_the_tree_speaks_of_the_product_alone() -> None:
    """No tracked file holds a path of one machine or the address of a package registry."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: nothing is tracked")
    foreign = re.compile(
        r"(?<![\w.])/(?:root|work|home/\w+)/|pypi\.org|pythonhosted|registry\.npmjs|proxy\.golang"
        r"|repo1?\.maven|deb\.debian|index-url|find-links\s"
    )

    found = [
        f"{name}: {match.group()}"
        for name in listed.stdout.splitlines()
        if (ROOT / name).is_file() and name not in {"tests/test_architecture.py", "Makefile"}
        for match in foreign.finditer((ROOT / name).read_text(errors="replace"))
    ]

    assert not found
