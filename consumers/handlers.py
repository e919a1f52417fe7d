"""Find the handler that ``MODULE:NAME`` names, and say what kind it is.

*NAME* is a function, an object that can be called, or an object or class with a method ``handle``
or ``handle_batch``; a class is made without arguments. Dots lead into what the module holds. If the
object has ``open()`` it is called before the first record, if it has ``close()``, after the last.

Importing runs the module: it may do anything, so it is done once, by whoever starts the worker.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consumers.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.ports import AnyHandler

ONE, SEVERAL = "handle", "handle_batch"
# What a parameter is annotated with that is several records.
COLLECTIONS = frozenset({"Collection", "Iterable", "List", "Sequence", "Tuple", "list", "tuple"})


@dataclass(frozen=True, slots=True)
class Found:
    """A handler: what to call with a record or, if it is a *batch* handler, with several.

    *open* and *close* are those of its object, if it has them; they may be ``async def``.
    """

    call: AnyHandler
    batch: bool
    open: Callable[[], object] | None = None
    close: Callable[[], object] | None = None


def find(place: str, *, batch: bool = False) -> Found:
    """Import what *place* names, ``MODULE:NAME``; *batch* says that it takes several records.

    The folder that the command was typed in is looked into first. Raises `SettingsError` with what
    is wrong with it, in one sentence.
    """
    module, _, name = place.partition(":")
    if not module or not name:
        raise _wrong(place, "write MODULE:NAME, such as handler:handle")
    target = _named(place, _imported(place, module), name)
    if inspect.isclass(target):
        target = _made(place, target)
    call = _callable(place, target, batch=batch)
    return Found(
        call,
        batch=_takes_several(place, call, batch=batch),
        open=_method(target, "open"),
        close=_method(target, "close"),
    )


def _imported(place: str, module: str) -> object:
    here = os.getcwd()  # noqa: PTH109 - sys.path holds text
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            raise _wrong(place, f"there is no module {error.name} in {here}") from error
        raise _wrong(place, f"cannot be imported: {_where(error)}") from error
    except Exception as error:  # the module's own code may raise anything
        raise _wrong(place, f"cannot be imported: {_where(error)}") from error


def _named(place: str, module: object, name: str) -> object:
    found = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise _wrong(place, f"there is no {part} in {place.partition(':')[0]}") from error
    return found


def _made(place: str, kind: Callable[[], object]) -> object:
    try:
        with suppress(ValueError):  # not every class says what it takes
            inspect.signature(kind).bind()
    except TypeError as error:
        raise _wrong(place, f"cannot be made: a class gets no arguments; {error}") from error
    try:
        return kind()
    except Exception as error:  # as above
        raise _wrong(place, f"cannot be made: {_where(error)}") from error


def _callable(place: str, target: object, *, batch: bool) -> Any:
    """Give what of *target* is called with records."""
    one, several = _method(target, ONE), _method(target, SEVERAL)
    found = (several or one) if batch else (one or several)
    if found is None and callable(target):
        found = target
    if found is None:
        raise _wrong(place, f"is neither a function nor has it a method {ONE} or {SEVERAL}")
    if any(_yields(one) for one in (found, getattr(found, "__call__", None))):  # noqa: B004 - how
        raise _wrong(place, "has a yield in it, so that calling it does nothing: take that out")
    return found


def _yields(call: object) -> bool:
    return inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call)


def _method(target: object, name: str) -> Any:
    found = None if inspect.isroutine(target) else getattr(target, name, None)
    return found if callable(found) else None


def _takes_several(place: str, call: Callable[..., object], *, batch: bool) -> bool:
    """Say whether *call* takes several records: by *batch*, its parameter's type, or its name."""
    try:
        parameters = list(inspect.signature(call).parameters.values())
        inspect.signature(call).bind(None)
    except (TypeError, ValueError) as error:
        raise _wrong(place, "must take one argument: a record, or several") from error
    annotation = parameters[0].annotation
    if annotation is inspect.Parameter.empty:
        return batch or getattr(call, "__name__", "") == SEVERAL
    several = _outermost(annotation) in COLLECTIONS
    if batch and not several:
        raise _wrong(place, f"takes one {annotation}, but --batch hands it several")
    return several


def _outermost(annotation: object) -> str:
    """Give the name of a type without its parameters: ``Sequence`` for ``Sequence[Record]``."""
    if not isinstance(annotation, str):
        origin = getattr(annotation, "__origin__", annotation)
        return str(getattr(origin, "__name__", ""))
    try:
        node = ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return ""
    if isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _where(error: Exception) -> str:
    """Say what *error* is, and which line of the user's own code led to it."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):
        return said  # names its file and line itself
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(os.getcwd())] or frames  # noqa: PTH109
    return f"{said} ({own[-1].filename}, line {own[-1].lineno})"


def _wrong(place: str, what: str) -> SettingsError:
    return SettingsError((f"{place}: {what}",))
