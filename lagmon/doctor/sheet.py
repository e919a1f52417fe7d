"""The findings of a doctor as a table for people and as JSON. Pure.

In: findings that are fit to print. Out: text. In the table the worst come last, next to the
verdict, where somebody at a terminal looks first.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from lagmon.doctor.findings import Level, goes_live
from lagmon.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.doctor.findings import Finding

_BADNESS = {level: number for number, level in enumerate(Level)}
_LEVEL = max(map(len, Level))


def table(findings: Sequence[Finding], *, strict: bool = False) -> str:
    """Write *findings* in lines, with the verdict as the last."""
    width = max((len(one.where) for one in findings), default=0)
    lines: list[str] = []
    for one in sorted(findings, key=lambda one: _BADNESS[one.level]):
        lines.append(f"{one.level:{_LEVEL}}  {one.where:{width}}  {one.what}")
        lines += [
            f"{'':{_LEVEL}}  {'':{width}}  {word} {text}"
            for word, text in (("why:", one.why), ("do: ", one.do))
            if text
        ]
    return "".join(f"{line}\n" for line in [*lines, _verdict(findings, strict=strict)])


def as_json(findings: Sequence[Finding], *, strict: bool = False) -> str:
    """Write *findings* and the verdict as one line of JSON."""
    said = {
        "go_live": goes_live(findings, strict=strict),
        "findings": [
            {
                "level": one.level.value,
                "where": one.where,
                "what": one.what,
                "why": one.why or None,
                "do": one.do or None,
            }
            for one in findings
        ],
    }
    return json.dumps(said, separators=(",", ":")) + "\n"


def _verdict(findings: Sequence[Finding], *, strict: bool) -> str:
    counts = Counter(one.level for one in findings)
    said = [f"{counts[Level.FAILED]} failed"] if counts[Level.FAILED] else []
    said += [counted(counts[Level.WARNING], "warning")] if counts[Level.WARNING] else []
    word = "yes" if goes_live(findings, strict=strict) else "no"
    return f"go live: {word}" + (f" ({', '.join(said)})" if said else "")
