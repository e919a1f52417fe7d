"""The kinds of values that settings have: each says what would be right when it is wrong.

Pure: values in, values or `ValueError` out. The sentences name neither the setting nor the value,
which may be a secret; `consumers.configuration.settings` puts the place before them.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from consumers.configuration.numbers import whole

DURATION = re.compile(r"(-?\d+(?:\.\d+)?)(ms|s|m|h)")
LONGEST = timedelta(days=1)  # librdkafka counts milliseconds in 31 bits: 24 days would be too long
LEAST_STOP = timedelta(seconds=1)
UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours"}
TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
WEB_ADDRESS = re.compile(
    r"https?://(?:[^\s/?#@\[\]:]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?(?:/[^\s?#@]*)?"
)
RATE = re.compile(r"[1-9]\d{0,6}/(?:second|minute|hour)")
CLASS_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
UNLIMITED = "unlimited"  # not "off", which is false in YAML
SERVER = re.compile(r"(?:[^\s,:/]+|\[[0-9a-fA-F:]+\]):\d{1,5}")

# librdkafka properties that the runtime's promises hang on, under all their names: nothing is
# committed before it is done, nothing left out, nothing taken for written before it is.
OURS = frozenset(
    {
        "acks",
        "auto.commit.enable",
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.timeout.ms",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "message.timeout.ms",
        "metadata.broker.list",
        "request.required.acks",
        "transactional.id",
    }
)
# Some of them, and the setting that is there for it.
INSTEAD = {
    "auto.offset.reset": "offset_reset",
    "delivery.timeout.ms": "produce_timeout",
    "message.timeout.ms": "produce_timeout",
}
# Properties that librdkafka refuses with the new group protocol (KIP-848).
BROKERS = frozenset(
    {
        "group.protocol.type",
        "heartbeat.interval.ms",
        "partition.assignment.strategy",
        "session.timeout.ms",
    }
)


def parse_duration(value: object) -> object:
    """Read ``15s``, ``500ms``, ``2m`` or ``1h`` as a `timedelta`; a bare number has no unit."""
    if isinstance(value, timedelta):
        return value
    match = DURATION.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("write a duration with its unit, such as 15s, 500ms or 2m")
    try:
        return timedelta(**{UNITS[match[2]]: float(match[1])})
    except OverflowError:
        return timedelta.max  # refused like anything else that is too long


def _bounded(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise ValueError("a duration must be longer than nothing, such as 5s")
    if value > LONGEST:
        raise ValueError("a duration is at most 24h")
    return value


def _long_enough(value: timedelta) -> timedelta:
    if value < LEAST_STOP:
        raise ValueError("to stop in order takes 1s at least")
    return value


def group(value: str) -> str:
    """Check the name of a consumer group: librdkafka ends the process over a blank one."""
    if not value or value != value.strip() or not value.isprintable():
        raise ValueError("a group has a name without control characters, or spaces at its ends")
    return value


def instance(value: str) -> str:
    """Check the name of a member of a group: librdkafka takes a blank one for none."""
    if not value or value != value.strip() or not value.isprintable():
        raise ValueError("a member has a name without control characters, or spaces at its ends")
    return value


def host(value: str) -> str:
    """Check an address to listen on: to the system an empty one means all there are."""
    if not value or not value.isprintable() or " " in value:
        raise ValueError("write one address, such as 127.0.0.1, or 0.0.0.0 to listen on all")
    return value


def topic(value: str) -> str:
    """Check the name of a topic, by Kafka's own rule."""
    if value in {".", ".."} or TOPIC.fullmatch(value) is None:
        raise ValueError("a topic is 1 to 249 of the characters a-z A-Z 0-9 . _ -")
    return value


def servers(value: str) -> str:
    """Check a list of ``HOST:PORT``."""
    if not all(SERVER.fullmatch(part.strip()) for part in value.split(",")):
        raise ValueError("write HOST:PORT, several with commas between, such as kafka-1:9092")
    return value


def web_address(value: str) -> str:
    """Check the address of a service that speaks HTTP, and give it without a slash at its end."""
    if WEB_ADDRESS.fullmatch(value) is None:
        raise ValueError("write http://HOST:PORT or https://HOST, without a password or a query")
    return value.rstrip("/")


def rate(value: str) -> str:
    """Check how often something may happen."""
    if value != UNLIMITED and RATE.fullmatch(value) is None:
        raise ValueError("write NUMBER/second, NUMBER/minute, NUMBER/hour, or unlimited")
    return value


def class_names(value: object) -> object:
    """Check names of classes: a list or, from the environment, with commas between."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple) or not all(
        isinstance(one, str) and CLASS_NAME.fullmatch(one) for one in value
    ):
        raise ValueError("write classes with their module, such as [stripe.APIConnectionError]")
    return value


def database_url(value: SecretStr) -> SecretStr:
    """Check that a URL is one of PostgreSQL, without ever repeating it."""
    if not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    return value


def client_properties(value: object) -> object:
    """Check librdkafka properties, an object or, from the environment, one written as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, dict):
        raise ValueError('write librdkafka properties as an object: {"security.protocol": "ssl"}')  # noqa: TRY004 - pydantic collects ValueError alone
    if not all(isinstance(name, str) for name in value):
        raise ValueError("the name of a property is text, such as security.protocol")
    if taken := sorted(OURS & value.keys()):
        instead = ", ".join(sorted({INSTEAD[name] for name in taken if name in INSTEAD}))
        more = f", and set {instead}" if instead else ""
        raise ValueError(f"the runtime sets {', '.join(taken)} itself: take it out{more}")
    if value.get("group.protocol") == "consumer" and (taken := sorted(BROKERS & value.keys())):
        raise ValueError(f"with group.protocol=consumer the broker decides on {', '.join(taken)}")
    wrong = sorted(str(key) for key, one in value.items() if not isinstance(one, str | int | float))
    if wrong:
        raise ValueError(f"{', '.join(wrong)} must be text, a number, true or false")
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), AfterValidator(_bounded)]
StopDuration = Annotated[Duration, AfterValidator(_long_enough)]
Topic = Annotated[str, AfterValidator(topic)]
Group = Annotated[str, AfterValidator(group)]
Instance = Annotated[str, AfterValidator(instance)]
Host = Annotated[str, AfterValidator(host)]
Port = Annotated[int, whole(0, 65535)]
Rate = Annotated[str, AfterValidator(rate)]
WebAddress = Annotated[str, AfterValidator(web_address)]
Servers = Annotated[str, AfterValidator(servers)]
ClassNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(class_names)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(database_url)]
Client = Annotated[
    dict[str, str | int | float | bool], NoDecode, BeforeValidator(client_properties)
]
