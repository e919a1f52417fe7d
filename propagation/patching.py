"""Put classes in the place of others in a running process, and find out where that cannot be done.

Names of modules are bound anew, subclasses get other bases; both can be undone, and are undone by
looking again, not by remembering, so that what came in between is found too. What only the
garbage collector can see (instances, closures, containers) is told and left alone.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Modules whose names stay: they define the classes, and find each other by them.
_OWN = ("propagation", "confluent_kafka", "opentelemetry.instrumentation.confluent_kafka")
_PUBLIC = frozenset(
    ("confluent_kafka", "confluent_kafka.cimpl", "confluent_kafka.aio", "confluent_kafka.avro")
)


def rename(classes: Mapping[type, type]) -> None:
    """Bind every name of a module that stands for a class in *classes* to the other one."""
    for module in list(sys.modules.values()):
        if not _concerned(getattr(module, "__name__", "")):
            continue
        names = vars(module)
        for name, value in list(names.items()):
            if isinstance(value, type) and value in classes:
                names[name] = classes[value]


def subclasses(of: type) -> list[type]:
    """List the subclasses of *of*, made in Python outside the libraries, that name it as a base."""
    below: list[type] = of.__subclasses__()
    return [
        kind for kind in below if not _library(kind.__module__) and "stands_for" not in vars(kind)
    ]


def rebase(kind: type, real: type, stand_in: tuple[type, ...]) -> bool:
    """Put *stand_in* in the place of *real* among the bases of *kind*. Says whether it went."""
    bases: list[type] = []
    for base in kind.__bases__:
        bases += stand_in if base is real else (base,)
    try:
        kind.__bases__ = tuple(bases)
    except TypeError:  # another layout, or an order of bases that cannot be
        return False
    return True


def unreached(classes: Mapping[type, type]) -> list[str]:
    """Name what still leads to the keys of *classes*: their instances, functions, containers."""
    made = Counter(id(type(thing)) for thing in gc.get_objects())
    found = [
        f"{made[id(kind)]} {kind.__name__} made before" for kind in classes if id(kind) in made
    ]
    for kind in classes:
        found += [f"{kind.__name__} in {place}" for place in _places(kind)]
    return sorted(found)


def _places(kind: type) -> set[str]:
    """Name the functions, objects and containers that hold *kind*."""
    places: set[str] = set()
    for holder in gc.get_referrers(kind):
        if isinstance(holder, CellType):
            places |= _functions(holder, lambda f: f.__closure__)
        elif isinstance(holder, tuple):
            places |= _functions(holder, lambda f: f.__defaults__)
        elif isinstance(holder, dict):
            if not hasattr(holder.get(kind), "stands_for"):  # our own table
                places |= _owners(holder)
        elif isinstance(holder, list | set):
            places.add(f"a {type(holder).__name__}")
        elif not _library(type(holder).__module__):  # an object's attribute, a functools.partial
            places.add(f"a {type(holder).__module__}.{type(holder).__qualname__}")
    return places


def _functions(holder: object, part: Callable[[FunctionType], Any]) -> set[str]:
    """Name the functions whose *part* is *holder*, or a tuple that has it as an item."""
    outer = [holder, *(o for o in gc.get_referrers(holder) if isinstance(o, tuple))]
    return {
        f"{function.__module__}.{function.__qualname__}"
        for one in outer
        for function in gc.get_referrers(one)
        if isinstance(function, FunctionType) and part(function) is one
        if not _library(function.__module__ or "")
    }


def _owners(holder: dict[Any, Any]) -> set[str]:
    """Name what *holder* is: the dict of a module, class or object, or an unknown one."""
    if "__name__" in holder and "__spec__" in holder:
        name = str(holder["__name__"])
        return set() if _library(name) else {name}
    module = str(holder.get("__module__", ""))
    if "__qualname__" in holder or "__dict__" in holder or module:
        return set() if _library(module) else {f"{module} (a class)"}
    return {"a dict"}


def _concerned(module: str) -> bool:
    return module in _PUBLIC or not _library(module)


def _library(module: str) -> bool:
    return module in {"builtins", "cimpl", "typing", "abc"} or any(
        module == own or module.startswith(f"{own}.") for own in _OWN
    )
