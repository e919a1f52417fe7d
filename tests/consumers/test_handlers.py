"""What ``MODULE:NAME`` may name, how a batch handler is told, and what is said of what is none.

Each test writes a module of its own into the folder it is in.
"""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

from consumers.errors import SettingsError
from consumers.handlers import Found, find
from tests.builders import record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBERS = itertools.count()


class Write(Protocol):
    """Write a module with *text*; give its name."""

    def __call__(self, text: str) -> str:
        """Write it."""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Give what writes modules into the current folder, which is a fresh one."""
    written: list[str] = []

    def write(text: str) -> str:
        name = f"handler_of_a_test_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(text)
        written.append(name)
        return name

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield write
    for name in written:
        sys.modules.pop(name, None)


def problem(place: str, *, batch: bool = False) -> str:
    """Look for what is not there, and give the sentence about it."""
    with pytest.raises(SettingsError) as caught:
        find(place, batch=batch)
    (said,) = caught.value.problems
    assert said.startswith(f"{place}: ")
    return said.removeprefix(f"{place}: ")


@pytest.mark.parametrize(
    "text",
    [
        "def handle(record):\n yield record",
        "async def handle(record):\n yield record",
        "class handle:\n def handle(self, record):\n  yield record",
        "class handle:\n def __call__(self, record):\n  yield record",
        "import functools\ndef pay(rate, record):\n yield rate\nhandle = functools.partial(pay, 1)",
    ],
)
def test_a_handler_that_yields_is_refused_at_the_start(module: Write, text: str) -> None:
    """To call it does nothing, and every record would count as done."""
    assert "has a yield in it" in problem(f"{module(text)}:handle")


def called(found: Found) -> object:
    """Call what was found with a record, and give what it gives."""
    return found.call(record(7))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def handle(record): return record.offset", "handle"),
        ("pay = lambda record: record.offset", "pay"),
        ("class Ledger:\n def handle(self, record): return record.offset", "Ledger"),
        ("class Ledger:\n def handle(self, record): return record.offset\none = Ledger()", "one"),
        ("class Ledger:\n def pay(self, record): return record.offset\none = Ledger()", "one.pay"),
        ("class Ledger:\n def __call__(self, record): return record.offset", "Ledger"),
        ("class Ledger:\n def handle(self, record, *, dry=False): return record.offset", "Ledger"),
    ],
)
def test_a_handler_is_anything_that_takes_a_record(module: Write, text: str, name: str) -> None:
    """Functions, classes, objects, and what they hold; each is called with one record."""
    found = find(f"{module(text)}:{name}")

    assert called(found) == 7
    assert found.batch is False
    assert found.open is None
    assert found.close is None


@pytest.mark.parametrize(
    "text",
    [
        "def handle(records: list): ...",
        "from collections.abc import Sequence\ndef handle(records: Sequence[object]): ...",
        "from __future__ import annotations\ndef handle(records: Sequence[Record]): ...",
        "def handle(records: 'collections.abc.Sequence[Record]'): ...",
        "import typing\ndef handle(records: typing.List[int]): ...",
        "from __future__ import annotations\nasync def handle(records: tuple[Record, ...]): ...",
    ],
)
def test_a_batch_is_told_by_the_type_of_its_parameter(module: Write, text: str) -> None:
    """A collection of records, whether or not its names can be looked up."""
    assert find(f"{module(text)}:handle").batch is True


@pytest.mark.parametrize(
    "text",
    [
        "def handle(record): ...",
        "from consumers import Record\ndef handle(record: Record): ...",
        "from __future__ import annotations\ndef handle(record: Record): ...",
        "def handle(record: 'what is this'): ...",
    ],
)
def test_one_record_is_the_rule(module: Write, text: str) -> None:
    """Without an annotation that is a collection a handler gets one record at a time."""
    assert find(f"{module(text)}:handle").batch is False


def test_a_batch_is_told_by_its_name_or_the_option(module: Write) -> None:
    """`handle_batch` takes several as it stands; another name does with --batch."""
    name = module("def handle_batch(them): ...\ndef pay(them): ...")

    assert find(f"{name}:handle_batch").batch is True
    assert find(f"{name}:pay").batch is False
    assert find(f"{name}:pay", batch=True).batch is True


def test_the_option_chooses_between_two_methods(module: Write) -> None:
    """An object that can do both is asked for one record, unless it is told otherwise."""
    name = module(
        "class Ledger:\n"
        " def handle(self, record): return 'one'\n"
        " def handle_batch(self, records): return 'several'\n"
    )

    one, several = find(f"{name}:Ledger"), find(f"{name}:Ledger", batch=True)

    assert (called(one), one.batch) == ("one", False)
    assert (called(several), several.batch) == ("several", True)


def test_an_object_is_opened_and_closed(module: Write) -> None:
    """The two methods are those of the object whose `handle` is called."""
    name = module(
        "class Ledger:\n"
        " def open(self): self.state = 'open'\n"
        " def handle(self, record): return self.state\n"
        " def close(self): self.state = 'closed'\n"
    )

    found = find(f"{name}:Ledger")
    assert found.open
    assert found.close
    found.open()
    at_work = called(found)
    found.close()

    assert (at_work, called(found)) == ("open", "closed")


def test_the_folder_of_the_command_comes_first(module: Write, tmp_path: Path) -> None:
    """A module is found where the command is typed, though Python itself would not look there."""
    name = module("def handle(record): ...")

    find(f"{name}:handle")

    assert sys.path[0] == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "name", "batch", "said"),
    [
        ("", "handle", False, "there is no handle in "),
        ("handle = 7", "handle", False, "is neither a function nor has it a method handle"),
        ("def handle(): ...", "handle", False, "must take one argument"),
        ("def handle(record, more): ...", "handle", False, "must take one argument"),
        ("def handle(one: int): ...", "handle", True, "takes one "),
        ("def handle(", "handle", False, "cannot be imported: SyntaxError: "),
        ("import no.such", "handle", False, "cannot be imported: ModuleNotFoundError: "),
        ("\n1 / 0", "handle", False, "cannot be imported: ZeroDivisionError: "),
        (
            "class H:\n def __init__(self, url): ...",
            "H",
            False,
            "cannot be made: a class gets no arguments",
        ),
        ("class H:\n def __init__(self): len(1)", "H", False, "cannot be made: TypeError: "),
    ],
)
def test_what_is_no_handler_is_named(
    module: Write, *, text: str, name: str, batch: bool, said: str
) -> None:
    """One sentence says what is wrong with it; no record was taken yet."""
    assert problem(f"{module(text)}:{name}", batch=batch).startswith(said)


def test_a_module_that_fails_is_told_with_its_line(module: Write) -> None:
    """The file and line that raised are what a developer looks for."""
    name = module("import os\n\nos.environ['NO_SUCH_VARIABLE']\n")

    said = problem(f"{name}:handle")

    assert said.startswith("cannot be imported: KeyError: 'NO_SUCH_VARIABLE'")
    assert f"{name}.py, line 3)" in said


@pytest.mark.parametrize("place", ["handler", ":handle", "handler:", ""])
def test_a_place_has_two_parts(place: str) -> None:
    """Whoever forgets one of them reads how it is written."""
    assert problem(place) == "write MODULE:NAME, such as handler:handle"


@pytest.mark.usefixtures("module")
def test_a_module_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The sentence says where was looked, also for a part of a dotted name."""
    assert problem("nowhere:handle") == f"there is no module nowhere in {tmp_path}"
    assert problem("no.where:handle") == f"there is no module no in {tmp_path}"
