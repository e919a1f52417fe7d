"""Choose the form of the metrics that a client wants most: RFC 9110, sections 12.4 and 12.5. Pure.

In: the values of ``Accept`` and ``Accept-Encoding``, None where one is missing. Out: a `Form`.
There is always one: who accepts nothing that there is gets plain text, which a person can read, and
not 406, after which a monitoring system would have no values. A range that makes no sense is as if
it were not there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lagmon.exposition.text import Form, Format

# No client has more to say; what a stranger sends beyond it is not worth the time.
LONGEST = 4096

_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_PARAMETER = re.compile(r';[ \t]*([^\s;="]+)=("(?:[^"\\]|\\.)*"|[^\s;"]*)[ \t]*')
_WEIGHT = re.compile(r"0(?:\.\d{0,3})?|1(?:\.0{0,3})?", re.ASCII)
_NAME = re.compile(r"[ \t]*([^\s;,]+)[ \t]*")


class _Range(NamedTuple):
    """One element of such a header: what it names, its parameters, how much it is wanted."""

    name: str
    parameters: dict[str, str]
    weight: float


def form(accept: str | None, accept_encoding: str | None) -> Form:
    """Give the form to answer with."""
    return Form(_format(accept), _is_gzip_wanted(accept_encoding))


def _format(accept: str | None) -> Format:
    ranges = _ranges(accept)
    # Where both are wanted as much it is the first, the text.
    return max(Format, key=lambda each: _weight(each, ranges))


def _weight(offered: Format, ranges: list[_Range]) -> float:
    """Give how much *offered* is wanted: what the range that is most exact about it says."""
    name, parameters = offered.split(";")[0], _parameters(offered)
    any_of_kind = f"{name.split('/')[0]}/*"
    exactness = {"*/*": 0, any_of_kind: 1, name: 2}
    fitting = [
        (exactness[wanted.name] + len(wanted.parameters), wanted.weight)
        for wanted in ranges
        if wanted.name in exactness
        if wanted.parameters.items() <= parameters.items()
    ]
    return max(fitting, default=(0, 0.0))[1]


def _is_gzip_wanted(accept_encoding: str | None) -> bool:
    weights = {wanted.name: wanted.weight for wanted in reversed(_ranges(accept_encoding))}
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _ranges(header: str | None) -> list[_Range]:
    if header is None or len(header) > LONGEST:
        return []
    found = (_range(item) for item in _ITEM.findall(header))
    return [one for one in found if one is not None]


def _range(item: str) -> _Range | None:
    """Read one element; None where it makes no sense."""
    named = _NAME.match(item)
    if named is None:
        return None
    parameters = _parameters(item[named.end() :])
    weight = parameters.pop("q", "1")
    parameters.pop("escaping", None)  # of names: ours are the same in each way of escaping them
    return (
        _Range(named[1].lower(), parameters, float(weight)) if _WEIGHT.fullmatch(weight) else None
    )


def _parameters(text: str) -> dict[str, str]:
    """Read ``;name=value`` and the like; names and values are compared without their case."""
    return {name.lower(): value.strip('"').lower() for name, value in _PARAMETER.findall(text)}
