"""Live beside opentelemetry-instrumentation-confluent-kafka: one span and one header a message.

Where both are on the same client, ours stays and theirs is taken off, with one warning. Their
module is never imported here: it is looked at where the application has imported it.
"""

from __future__ import annotations

import logging
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MODULE: Final = "opentelemetry.instrumentation.confluent_kafka"
_INSTRUMENTOR: Final = "ConfluentKafkaInstrumentor"
_CLASSES: Final = ("AutoInstrumentedProducer", "AutoInstrumentedConsumer")
_METHODS: Final = frozenset(("produce", "poll", "consume", "close"))

_log: Final = logging.getLogger(__name__)


class _State:
    """What has been done to their module: nothing, where the application has not imported it."""

    def __init__(self) -> None:
        self.everywhere = False
        self.warned = False
        self.methods: list[tuple[type, str, Any]] = []
        self.proxies: Any = None


_state: Final = _State()


def settle(client: object) -> None:
    """Let *client*, which is being made, be traced by us alone."""
    module = sys.modules.get(_MODULE)
    if module is None:
        return
    if _state.proxies is not module:
        _state.proxies = module
        _spare(getattr(module, _INSTRUMENTOR, None))
    if isinstance(client, their_classes()):
        if _state.everywhere:
            _strip()
        else:
            _bypass(client)


def take_off() -> None:
    """Take theirs off every client that exists or will: ours is on all."""
    _state.everywhere = True
    _strip()


def put_back() -> None:
    """Undo `take_off`."""
    for kind, name, method in reversed(_state.methods):
        setattr(kind, name, method)
    _state.methods.clear()
    _state.everywhere = _state.warned = False


def their_classes() -> tuple[type, ...]:
    """List the classes that they put in the place of confluent-kafka's, if they are there."""
    module = sys.modules.get(_MODULE)
    found = [getattr(module, name, None) for name in _CLASSES]
    return tuple(kind for kind in found if isinstance(kind, type))


def is_at_work() -> bool:
    """Say whether their instrumentor is instrumenting: it may have been undone since."""
    return bool(getattr(_instrumentor(), "is_instrumented_by_opentelemetry", False))


def exchange(classes: Mapping[type, type]) -> None:
    """Let their undoing put back the values of *classes* where it would have put the keys."""
    others = {id(kind): other for kind, other in classes.items()}
    kept = getattr(_instrumentor(), "__dict__", {})  # among it what they found in confluent_kafka
    kept.update({name: others[id(value)] for name, value in kept.items() if id(value) in others})


def _instrumentor() -> Any:
    """Give the one instrumentor that they have; None where they are not there."""
    kind = getattr(sys.modules.get(_MODULE), _INSTRUMENTOR, None)
    return kind and kind()


def _strip() -> None:
    """Leave their classes without methods of their own: what they inherit does the work."""
    for kind in their_classes():
        for name in _METHODS:
            method = vars(kind).get(name)
            if method is not None:
                if hasattr(method, "__wrapped__"):  # they have been at work, not only imported
                    _warn()
                delattr(kind, name)
                _state.methods.append((kind, name, method))


def _bypass(client: object) -> None:
    """Give *client* itself the methods that come after theirs."""
    for kind in their_classes():
        if isinstance(client, kind):
            for name in vars(kind).keys() & _METHODS:
                setattr(client, name, getattr(super(kind, client), name))
            _warn()


def _spare(instrumentor: Any) -> None:
    """Let their ``instrument_producer`` and ``instrument_consumer`` give back what is ours."""
    for name in ("instrument_producer", "instrument_consumer"):
        theirs = getattr(instrumentor, name, None)
        if theirs is not None:
            setattr(instrumentor, name, staticmethod(_sparing(theirs)))


def _sparing(theirs: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(theirs)
    def instrument(client: Any, *args: Any, **kwargs: Any) -> Any:
        if not traced(client):
            return theirs(client, *args, **kwargs)
        _warn()
        return client

    return instrument


def traced(client: object) -> bool:
    """Say whether the class of *client* has methods of ours."""
    return any(kind.__module__.startswith("propagation.") for kind in type(client).__mro__)


def _warn() -> None:
    if not _state.warned:
        _state.warned = True
        _log.warning(
            "contrib_taken_off: opentelemetry-instrumentation-confluent-kafka is on clients that "
            "propagation traces; it is taken off them. Uninstall it, or name confluent_kafka in "
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS."
        )
