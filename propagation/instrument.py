"""Trace an application that does not know of it: `instrument`, and `uninstrument` to undo it.

The names of confluent-kafka's clients come to stand for this package's, in that package and in
every module that has imported them; subclasses made before get the new methods as well. What only
an import before all others could have reached is named in one log line: clients made before,
classes kept in closures, containers or objects. ``opentelemetry-instrument`` calls it that early
(`propagation.integrations.zero_code`).
"""

from __future__ import annotations

import logging
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import confluent_kafka
from confluent_kafka.cimpl import Consumer, Producer

from propagation import contrib, facades, patching
from propagation.holding import start_holding, stop_holding
from propagation.options import DEFAULT, in_force
from propagation.stand_ins import plain_methods, stand_ins

if TYPE_CHECKING:
    from collections.abc import Iterable

    from propagation.facades import Facades
    from propagation.options import Options
    from propagation.patching import Bound
    from propagation.stand_ins import Classes

    Based = tuple[type, tuple[type, ...]]  # a class and the bases it is to have

Scope: TypeAlias = Literal["poll", "none"]

_log: Final = logging.getLogger(__name__)
_lock: Final = RLock()


class _RealClients(ModuleType):
    """`confluent_kafka` as its asyncio clients are to see it: with the real plain clients."""

    Producer = Producer
    Consumer = Consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(confluent_kafka, name)


class _State:
    """What is in force, and what has to be undone."""

    def __init__(self) -> None:
        self.scope: Scope | None = None
        self.classes: Classes = {}
        self.facades: Facades = {}
        self.rebased: list[Based] = []
        self.retired: list[Based] = []
        self.contrib: list[Bound] = []  # the names that meant contrib's classes


_state: Final = _State()


def instrument(*, scope: Scope = "poll", options: Options | None = None) -> None:
    """Trace every confluent-kafka client of this process that is made from now on.

    *scope*: ``poll`` holds the scope of a consumed message from one poll to the next, closing it
    before the client library is called; ``none`` holds none: the application opens scopes with
    ``processing(message)``.

    *options* hold for every client made from now on, and every scope opened, that is given none:
    what to believe of which topic, and how to relate to it.

    Called again it replaces what was asked before; with the same it does nothing.

    Raises:
        ValueError: *scope* is none of these.
    """
    if scope not in get_args(Scope):
        raise ValueError(f"scope={scope!r} must be one of {', '.join(get_args(Scope))}")
    with _lock:
        if _state.scope == scope:
            in_force.options = options or DEFAULT
            return
        uninstrument()
        in_force.options = options or DEFAULT
        _state.scope = scope
        missed = _replace(holding=scope == "poll")
        contrib.take_off()
        if scope == "poll":
            start_holding()
    if missed:
        _log.warning(
            "clients_not_reached: %s. Call instrument() before they are imported.",
            "; ".join(missed),
        )


def uninstrument() -> None:
    """Undo `instrument`: names, bases, methods and options are as before, open scopes end.

    Plain and serializing clients made meanwhile behave as the real ones from here on. Async
    producers go on tracing until they are closed: what they have queued must still go out.
    """
    with _lock:
        if _state.scope is None:
            return
        stop_holding()
        _set_bases(_state.rebased)
        _retire()
        facades.take_down()
        patching.rename({facade: module for module, facade in _state.facades.items()})
        _state.facades.clear()
        real = {ours: real for real, ours in _state.classes.items()}
        _give_back(real)
        patching.rename(real)
        contrib.exchange(real)
        contrib.put_back()
        _see_inside(confluent_kafka)
        in_force.options = DEFAULT
        _state.scope = None


def _replace(*, holding: bool) -> list[str]:
    """Put the stand-ins everywhere. Names what could not be reached."""
    _set_bases(_state.retired)
    theirs = contrib.their_classes()
    plain = _state.classes = stand_ins(holding=holding, lenient=False)
    patching.rename(plain)
    _state.contrib = patching.rename(
        {kind: plain[real] for kind in theirs for real in kind.__mro__ if real in plain}
    )
    missed = patching.unreached(plain)
    early = [(kind, real) for real in plain for kind in patching.subclasses(real)]
    if missed or early or _state.contrib:  # isinstance must hold for what was there before, too
        lenient = stand_ins(holding=holding, lenient=True)
        patching.rename({ours: lenient[real] for real, ours in plain.items()})
        _state.classes = lenient
    early += [(kind, kind.__bases__[0]) for kind in theirs]
    missed += [f"subclass {kind.__qualname__}" for kind, real in early if not _rebase(kind, real)]
    _state.facades = facades.put_up(_state.classes)
    patching.rename(_state.facades)
    _see_inside(_RealClients("confluent_kafka"))
    contrib.exchange(_state.classes)
    return missed


def _give_back(ours: Iterable[type]) -> None:
    """Bind what meant contrib's classes, and means ours now, to theirs again.

    Except in confluent_kafka, if their own instrumenting has been undone since.
    """
    for names, name, theirs in _state.contrib:
        is_theirs = names is not vars(confluent_kafka) or contrib.is_at_work()
        if is_theirs and any(names.get(name) is kind for kind in ours):
            names[name] = theirs
    _state.contrib.clear()


def _rebase(kind: type, real: type) -> bool:
    """Give *kind*, a subclass of *real* from before, the methods of the stand-in."""
    if real not in _state.classes:
        return True  # contrib's, imported after us: it has them
    methods = plain_methods(holding=_state.scope == "poll").get(real)
    stand_in = (*methods, real) if methods else (_state.classes[real],)
    before = kind.__bases__
    if not patching.rebase(kind, real, stand_in):
        return False
    _state.rebased.append((kind, before))
    return True


def _retire() -> None:
    """Let the producers that were made meanwhile be as the real ones, until they are needed."""
    for real, ours in _state.classes.items():
        if issubclass(real, Producer):
            _state.retired.append((ours, ours.__bases__))
            ours.__bases__ = (real,)


def _set_bases(kinds: list[Based]) -> None:
    for kind, bases in kinds:
        kind.__bases__ = bases
    kinds.clear()


def _see_inside(package: ModuleType) -> None:
    """Let the asyncio clients see *package* as ``confluent_kafka``: theirs are not traced again."""
    for module in (facades.AIO_CONSUMER, facades.AIO_PRODUCER):
        vars(module)["confluent_kafka"] = package
