"""The shape of the tree: sizes, docstrings, public names, imports, and words that do not belong."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "lagmon/sharding/ownership.py",
    "lagmon/waited.py",
    "lagmon/top/cells.py",
    "lagmon/top/group.py",
    "lagmon/top/lines.py",
    "lagmon/top/page.py",
    "lagmon/top/reading.py",
    "lagmon/top/showing.py",
    "lagmon/top/table.py",
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
    """The text of one file of source and its syntax tree."""

    text: str
    tree: ast.Module


def files(folder: str) -> list[str]:
    """List every Python file below *folder*, as seen from the root."""
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / folder).rglob("*.py"))]


# Read where a test needs it: every worker collects these tests, and one of them runs them.
@cache
def read(path: str) -> Module:
    """Read the file at *path*."""
    text = (ROOT / path).read_text()
    return Module(text, ast.parse(text))


@pytest.fixture(scope="module", autouse=True)
def _trees() -> Iterator[None]:
    """Forget what was read: the trees are some hundred megabytes, through which Python searches."""
    yield
    read.cache_clear()


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


each_source = pytest.mark.parametrize("path", [p for name in PACKAGES for p in files(name)])


@each_source
def test_a_module_fits_a_few_screens(path: str) -> None:
    """A module stays under 300 lines and a function under 40."""
    module = read(path)
    lines = module.text.count("\n")
    long = [
        f"{function.name}: {function.end_lineno - function.lineno + 1} lines"
        for function in functions(module.tree)
        if function.end_lineno and function.end_lineno - function.lineno >= FUNCTION_LINES
    ]

    assert lines < MODULE_LINES, f"{path} has {lines} lines"
    assert not long


@each_source
def test_a_module_states_its_contract(path: str) -> None:
    """A module's docstring says more than its name, and everything public in it has one too."""
    module = read(path)
    doc = ast.get_docstring(module.tree) or ""
    public = [
        node.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if not ast.get_docstring(node)
    ]

    assert len(doc.split()) >= 5, f"{path} opens with {doc!r}"
    assert not public, f"classes without a docstring: {public}"


@each_source
def test_nothing_is_left_for_later(path: str) -> None:
    """No note to self stands in the source."""
    marks = re.findall(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b", read(path).text)

    assert not marks


@pytest.mark.parametrize("path", [*PURE, *(path for room in ROOMS for path in files(room))])
def test_what_decides_does_not_act(path: str) -> None:
    """A pure module imports neither a clock, nor a client, nor the system."""
    reached = {name.split(".")[0] for name in imported(read(path).tree)}

    assert not reached & IMPURE


CORE = [path for path in files("propagation") if path.count("/") == 1]


@pytest.mark.parametrize("path", [path for path in CORE if Path(path).stem != "testing"])
def test_the_core_of_propagation_needs_no_sdk(path: str) -> None:
    """Of OpenTelemetry, the modules beside sdk/ and integrations/ import the API alone."""
    names = imported(read(path).tree)

    parts = {name.split(".")[1] for name in names if name[:14] == "opentelemetry."}

    assert parts <= {"baggage", "context", "metrics", "propagate", "propagators", "trace", "util"}


def stage_of(path: str) -> str:
    """Give the file in one of the rooms, or else the file or folder below lagmon/, of *path*."""
    return stage_named(path.removesuffix(".py").replace("/", "."))


def stage_named(name: str) -> str:
    """Give the stage that the module *name* belongs to."""
    _, *parts = name.split(".")
    return parts[min(len(parts) - 1, f"lagmon/{parts[0]}" in ROOMS)]


@pytest.mark.parametrize("path", [p for p in files("lagmon") if stage_of(p) in STAGES])
def test_a_stage_does_not_know_another(path: str) -> None:
    """A stage imports the model and its own folder, never a neighbour: loop joins them."""
    own, names = stage_of(path), imported(read(path).tree)

    reached = {stage_named(name) for name in names if name.startswith("lagmon.")}

    assert not (reached & STAGES) - {own}


def test_only_the_collector_talks_to_kafka() -> None:
    """In lagmon no module outside collector/ imports a Kafka client."""
    talkers = [
        path
        for path in files("lagmon")
        if Path(path).parent.name != "collector"
        if any(name.split(".")[0] == "confluent_kafka" for name in imported(read(path).tree))
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
    "path", [path for path in files("tests") if "def test_" in (ROOT / path).read_text()]
)
def test_a_test_is_a_sentence(path: str) -> None:
    """Every test says in one docstring what holds, and does not sleep."""
    tests = [one for one in functions(read(path).tree) if one.name.startswith("test_")]

    silent = [test.name for test in tests if not ast.get_docstring(test)]
    asleep = [test.name for test in tests if any(map(sleeps, ast.walk(test)))]

    assert not silent, f"without a docstring in {path}: {silent}"
    assert not asleep, f"asleep in {path}: {asleep}"


def sleeps(node: ast.AST) -> bool:
    """Tell whether *node* is ``time.sleep``."""
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep"


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
