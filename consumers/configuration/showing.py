"""Write down settings as they are in force, each with where it comes from, and no secret. Pure.

What is written is YAML that would give the same settings again, but for the secrets: those are
masked, whoever may read the page.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import SecretStr

from consumers.configuration.fields import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.configuration.common import Settings

MASK: Final = "[masked]"
# Properties of librdkafka that are secrets, or may hold one.
SECRET: Final = re.compile(
    r"password|passphrase|secret|token|credential|pem|kinit|oauthbearer\.(?:config|extensions)"
)


def lines(settings: Settings, origins: Mapping[str, str]) -> Iterator[str]:
    """Give a line of YAML for each of *settings*, by name; *origins* says where each was set."""
    for name in sorted(type(settings).model_fields):
        listed = yaml.safe_dump(
            [_plain(getattr(settings, name))], default_flow_style=True, width=float("inf")
        )
        yield f"{name}: {listed.strip()[1:-1]}  # {origins.get(name, 'default')}"


def duration(value: timedelta) -> str:
    """Write *value* in the largest unit of which it is a whole number, as it may be read again."""
    for unit, name in reversed(UNITS.items()):
        number = value / timedelta(**{name: 1})
        if number.is_integer():
            return f"{number:.0f}{unit}"
    return f"{value / timedelta(milliseconds=1)}ms"


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, dict):
        return {name: MASK if SECRET.search(name) else one for name, one in value.items()}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
