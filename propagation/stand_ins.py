"""The classes that stand in for confluent-kafka's while `propagation.instrument` is in force.

Each is one of this package's clients; consumers hold scopes as well (`propagation.holding`). They
stand to each other as the real ones do, so that a serializing producer is a producer. Made once:
instrumenting again uses the same.
"""

from __future__ import annotations

from abc import ABCMeta
from functools import lru_cache
from types import CellType, FunctionType, new_class
from typing import Any, Final, Generic, TypeAlias, TypeVar

from confluent_kafka import DeserializingConsumer as _RealDeserializingConsumer
from confluent_kafka import DeserializingShareConsumer as _RealDeserializingShareConsumer
from confluent_kafka import SerializingProducer as _RealSerializingProducer
from confluent_kafka import aio
from confluent_kafka.cimpl import Consumer as RealConsumer
from confluent_kafka.cimpl import Producer as RealProducer
from confluent_kafka.cimpl import ShareConsumer as RealShareConsumer

from propagation.aio import (
    AIOConsumer,
    AIOProducer,
    AsyncDeserializingConsumer,
    AsyncSerializingProducer,
)
from propagation.consumer import Consumer, DeserializingConsumer
from propagation.holding import HoldingAIOConsumer, HoldingConsumer, HoldingShareConsumer
from propagation.producer import Producer, SerializingProducer
from propagation.share import ShareConsumerMethods

Classes: TypeAlias = dict[type, type]  # real → what stands in for it

_OF_THE_CLASS_ITSELF: Final = frozenset(
    ("__dict__", "__weakref__", "__orig_bases__", "__parameters__")
)

K = TypeVar("K")
V = TypeVar("V")


def methods_of(client: type, *, but: type | None = None) -> tuple[type, ...]:
    """Copy what this package adds to *client*'s real class, beyond *but*, into classes of methods.

    A class whose instances have a dict of their own cannot take the place of one whose instances
    have none, as a type of the C library (TypeError: object layout differs). Classes of methods
    can. A bare ``super()`` in them means the copy.
    """
    known = but.__mro__ if but else ()
    return tuple(
        _without_layout(kind)
        for kind in client.__mro__
        if kind.__module__.startswith("propagation.") and kind not in known
    )


def _without_layout(client: type) -> type:
    cell = CellType()
    members = {
        name: _rebound(value, cell) if isinstance(value, FunctionType) else value
        for name, value in vars(client).items()
        if name not in _OF_THE_CLASS_ITSELF
    }
    copied = type(f"{client.__name__}Methods", (), {**members, "__slots__": ()})
    cell.cell_contents = copied
    return copied


def _rebound(function: FunctionType, cell: CellType) -> FunctionType:
    cells = tuple(
        cell if name == "__class__" else old
        for name, old in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    )
    copied = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, cells
    )
    copied.__kwdefaults__ = function.__kwdefaults__
    copied.__doc__ = function.__doc__
    return copied


class Lenient(ABCMeta):
    """Of stand-ins that take the real class's instances and subclasses for their own.

    For where clients or subclasses were made before the stand-in took the name: ``isinstance``
    must say of them what it said before. It descends from ABCMeta so that a class of the
    application may go on being abstract; another metaclass would be in conflict with it, so it is
    used only where it is needed.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        real = vars(cls).get("stands_for")
        return isinstance(instance, real) if real else type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = vars(cls).get("stands_for")
        return issubclass(subclass, real) if real else type.__subclasscheck__(cls, subclass)


_PRODUCER: Final = methods_of(Producer)
_CONSUMER: Final = methods_of(Consumer)


def plain_methods(*, holding: bool) -> dict[type, tuple[type, ...]]:
    """Give what goes before each plain client's real class. Consumers hold scopes where *holding*.

    Classes of methods alone, so that subclasses from before can have them too.
    """
    held = (HoldingConsumer,) if holding else ()
    held_shares = (HoldingShareConsumer,) if holding else ()
    return {
        RealProducer: _PRODUCER,
        RealConsumer: (*held, *_CONSUMER),
        RealShareConsumer: (*held_shares, ShareConsumerMethods),
    }


# Kept by names of their own: while stand-ins are in place, confluent-kafka's mean those.
_SERIALIZING: Final[Any] = _RealSerializingProducer
_DESERIALIZING: Final[Any] = _RealDeserializingConsumer
_DESERIALIZING_SHARES: Final[Any] = _RealDeserializingShareConsumer
_ASYNC: Final[tuple[Any, ...]] = (
    aio.AIOProducer,
    aio.AIOConsumer,
    aio.AsyncSerializingProducer,
    aio.AsyncDeserializingConsumer,
)


@lru_cache
def stand_ins(*, holding: bool, lenient: bool) -> Classes:
    """Give what stands in for each real class. Consumers hold scopes where *holding*."""
    made: Classes = {}

    def make(real: Any, *bases: Any) -> None:
        home = "confluent_kafka.aio" if real in _ASYNC else "confluent_kafka"  # for pickle
        members = {"__module__": home, "__doc__": real.__doc__, "stands_for": real}
        meta = {"metaclass": Lenient} if lenient else {}
        made[real] = new_class(real.__name__, bases, meta, lambda names: names.update(members))

    def make_generic(real: Any, plain: type, *ours: Any) -> None:
        generic: Any = Generic
        make(real, *ours, made[plain], generic[K, V])

    aio_producer, aio_consumer, async_serializing, async_deserializing = _ASYNC
    held = (HoldingAIOConsumer,) if holding else ()
    for real, methods in plain_methods(holding=holding).items():
        make(real, *methods, real)
    make(aio_producer, AIOProducer)
    make(aio_consumer, *held, AIOConsumer)
    make(_DESERIALIZING_SHARES, _DESERIALIZING_SHARES, made[RealShareConsumer])
    serializing = methods_of(SerializingProducer, but=Producer)
    deserializing = methods_of(DeserializingConsumer, but=Consumer)
    make_generic(_SERIALIZING, RealProducer, *serializing, _SERIALIZING[K, V])
    make_generic(_DESERIALIZING, RealConsumer, *deserializing, _DESERIALIZING[K, V])
    ours: tuple[Any, ...] = (AsyncSerializingProducer, AsyncDeserializingConsumer)
    make_generic(async_serializing, aio_producer, ours[0][K, V])
    make_generic(async_deserializing, aio_consumer, ours[1][K, V])
    return made
