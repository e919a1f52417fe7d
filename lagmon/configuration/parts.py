"""What every part of the configuration is made of: the frozen model, durations, names.

In: what YAML or JSON held. Out: values for `settings` and its neighbours, or a ValueError
that says how to write it. Nothing is read here, and nothing is known of any key.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from lagmon.configuration import addresses

DURATION = re.compile(r"(?P<count>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h)")
UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_SECONDS = 7 * 24 * 3600.0


def seconds(text: object) -> float:
    """Read a duration such as *text* ``15s``; raise ValueError with how to write one."""
    match = DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match:
        raise ValueError("is no duration; write it as 15s, 2m, 1h or 500ms")
    value = float(match["count"]) * UNIT_SECONDS[match["unit"]]
    if value > LONGEST_SECONDS:
        raise ValueError("is too long; the longest is 168h")
    return value


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than nothing")
    return value


def _over_lines(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """Have the dot of *pattern* take line breaks too: Kafka takes any name for a group."""
    return re.compile(pattern.pattern, pattern.flags | re.DOTALL)


Pattern = Annotated[re.Pattern[str], AfterValidator(_over_lines)]
Span = Annotated[float, BeforeValidator(seconds)]
Duration = Annotated[float, BeforeValidator(seconds), AfterValidator(_positive)]
Link = Annotated[str, AfterValidator(addresses.link)]


class Part(BaseModel):
    """One part of the configuration: frozen, no unknown keys, no values inside problems."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True
    )
