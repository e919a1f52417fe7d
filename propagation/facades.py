"""Modules that stand before confluent-kafka's inner ones while `instrument` is in force.

``confluent_kafka.serializing_producer`` and its like look for their own class by its name when they
run, so that name must go on meaning the real one in there. Whoever imports from them gets another
module of the same name, in which the classes are the stand-ins; all else in it is the real one's.
Nothing is ever changed in the real modules.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

import confluent_kafka.aio  # noqa: F401  # loads all that are listed below

if TYPE_CHECKING:
    from collections.abc import Mapping

    Facades = dict[ModuleType, ModuleType]  # real → what stands before it

# Where the asyncio clients make the plain ones they work with.
AIO_CONSUMER: Final = sys.modules["confluent_kafka.aio._AIOConsumer"]
AIO_PRODUCER: Final = sys.modules["confluent_kafka.aio.producer._AIOProducer"]

_INNER: Final = (
    AIO_CONSUMER,
    AIO_PRODUCER,
    *(
        sys.modules[f"confluent_kafka.{name}"]
        for name in (
            "serializing_producer",
            "deserializing_consumer",
            "deserializing_share_consumer",
            "aio._AsyncDeserializingConsumer",
            "aio._AsyncSerializingProducer",
            "aio.producer",
        )
    ),
)


def put_up(classes: Mapping[type, type]) -> Facades:
    """Let imports find modules with the other classes of *classes*. `take_down` undoes it.

    Attributes and names that mean the real modules are the caller's to bind anew.
    """
    facades = {module: ModuleType(module.__name__) for module in _INNER}
    others = {id(real): other for pairs in (classes, facades) for real, other in pairs.items()}
    for module, facade in facades.items():
        vars(facade).update({n: others.get(id(v), v) for n, v in vars(module).items()})
        sys.modules[module.__name__] = facade
    return facades


def take_down() -> None:
    """Let imports find the real modules."""
    sys.modules.update({module.__name__: module for module in _INNER})
