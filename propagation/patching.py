"""Put classes in the place of others in a running process, and find out where that cannot be done.

Names of modules are bound anew, subclasses get other bases; both can be undone. Names are undone by
looking again, not by remembering, so that what came in between is found too. What only the garbage
collector can see (instances, closures, containers) is told and left alone. Objects are looked at by
their type and identity alone: asking a stranger's object for an attribute, and be it by
``isinstance``, may load a module, open a connection, or raise.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from types import CellType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    Bound = tuple[dict[str, Any], str, Any]  # a module's names, one of them, what it means
    Place = tuple[int, str]  # the id of a class, and where it is kept

# Modules whose names stay: they define the classes, and find each other by them.
_OWN = ("propagation", "confluent_kafka", "opentelemetry.instrumentation.confluent_kafka")
_PUBLIC = frozenset(
    ("confluent_kafka", "confluent_kafka.cimpl", "confluent_kafka.aio", "confluent_kafka.avro")
)
_CONTAINERS = (dict, list, tuple, set, frozenset)


def rename(others: Mapping[Any, Any]) -> list[Bound]:
    """Bind every name of a module that stands for a key of *others*, by identity, to its value.

    Gives what was bound to what before.
    """
    before: list[Bound] = []
    others = {id(one): other for one, other in others.items()}
    for module, names in _modules():
        if module in _PUBLIC or not _library(module):
            for name, value in list(names.items()):
                if id(value) in others:
                    before.append((names, name, value))
                    names[name] = others[id(value)]
    return before


def _modules() -> Iterator[tuple[str, dict[str, Any]]]:
    """List the modules and their names. No attribute is asked for, so no lazy one is loaded."""
    for name, module in list(sys.modules.items()):
        if issubclass(type(module), ModuleType):
            yield name, ModuleType.__getattribute__(module, "__dict__")


def subclasses(of: type) -> list[type]:
    """List the subclasses of *of*, made in Python, that name it as a base.

    Without the libraries' own, which have stand-ins; the Avro clients have none.
    """
    below: list[type] = of.__subclasses__()
    return [
        kind
        for kind in below
        if (kind.__module__ in _PUBLIC or not _library(kind.__module__))
        and "stands_for" not in vars(kind)
    ]


def rebase(kind: type, real: type, stand_in: tuple[type, ...]) -> bool:
    """Put *stand_in* in the place of *real* among the bases of *kind*. Says whether it went."""
    if not kind.__dictoffset__:
        return False  # its instances have no place for what ours keep
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
        elif issubclass(type(thing), FunctionType | type):
            found |= {f"{names[kind]} in {place}" for kind, place in _places(thing, names)}
    for module, attributes in _modules():
        for name, value in list(attributes.items()):
            if type(value) in _CONTAINERS and not _library(module):
                held = value.values() if type(value) is dict else value
                found |= {f"{names[id(k)]} in {module}.{name}" for k in held if id(k) in names}
    for kind in classes:
        found |= {f"{kind.__name__} in {place}" for place in _objects(kind)}
    return [f"{count} {name} made before" for name, count in sorted(made.items())] + sorted(found)


def _places(thing: FunctionType | type, kinds: Container[int]) -> Iterator[Place]:
    """List where *thing* keeps any of *kinds* (ids): a default, a closure, an attribute."""
    if _library(str(thing.__module__)):
        return
    if isinstance(thing, type):
        held = list(vars(thing).values())
    else:
        held = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        held += [cell.cell_contents for cell in thing.__closure__ or () if cell != CellType()]
    place = f"{thing.__module__}.{thing.__qualname__}"
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


def _library(module: str) -> bool:
    return module in {"builtins", "cimpl", "typing", "abc"} or any(
        module == own or module.startswith(f"{own}.") for own in _OWN
    )
