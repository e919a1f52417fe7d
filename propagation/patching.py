"""Put classes in the place of others in a running process, and find out where that cannot be done.

Names of modules are bound anew, subclasses get other bases; both can be undone, and are undone by
looking again, not by remembering, so that what came in between is found too. What only the
garbage collector can see (instances, closures, containers) is told and left alone.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from types import CellType, FunctionType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    Place = tuple[int, str]  # the id of a class, and where it is kept

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
    names = {id(kind): kind.__name__ for kind in classes}
    made: Counter[str] = Counter()
    found: set[str] = set()
    for thing in gc.get_objects():
        if id(type(thing)) in names:
            made[names[id(type(thing))]] += 1
        elif isinstance(thing, FunctionType | type | ModuleType):
            found |= {f"{names[kind]} in {place}" for kind, place in _places(thing, names)}
    for kind in classes:
        found |= {f"{kind.__name__} in {place}" for place in _objects(kind)}
    return [f"{count} {name} made before" for name, count in sorted(made.items())] + sorted(found)


def _places(thing: FunctionType | type | ModuleType, kinds: Container[int]) -> Iterator[Place]:
    """List where *thing* keeps any of *kinds* (ids): a default, a closure, an attribute."""
    module = thing.__name__ if isinstance(thing, ModuleType) else str(thing.__module__)
    if _library(module):
        return
    if isinstance(thing, ModuleType):
        for name, value in list(vars(thing).items()):
            if isinstance(value, dict | list | tuple | set | frozenset):
                held = list(value.values() if isinstance(value, dict) else value)
                yield from ((id(one), f"{module}.{name}") for one in held if id(one) in kinds)
        return
    if isinstance(thing, type):
        held = list(vars(thing).values())
    else:
        held = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        held += [cell.cell_contents for cell in thing.__closure__ or () if cell != CellType()]
    place = f"{module}.{thing.__qualname__}"
    yield from ((id(one), place) for one in held if id(one) in kinds)


def _objects(kind: type) -> set[str]:
    """Name the classes of objects that hold *kind* as an attribute, or as functools.partial does.

    Containers are not looked for here: those of none but C classes are none of the collector's.
    """
    holders = gc.get_referrers(kind)
    holders += [
        owner
        for holder in holders
        if type(holder) is dict
        for owner in gc.get_referrers(holder)
        if getattr(owner, "__dict__", None) is holder
    ]
    return {
        f"a {type(holder).__module__}.{type(holder).__qualname__}"
        for holder in holders
        if not _library(type(holder).__module__) and not isinstance(holder, type)
    }


def _concerned(module: str) -> bool:
    return module in _PUBLIC or not _library(module)


def _library(module: str) -> bool:
    return module in {"builtins", "cimpl", "typing", "abc"} or any(
        module == own or module.startswith(f"{own}.") for own in _OWN
    )
