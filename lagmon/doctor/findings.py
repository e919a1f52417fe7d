"""What a doctor finds: what, why it matters, what to do. Pure.

In: facts, in the words of whoever knows them. Out: `Finding`, and whether to go live. No text that
a finding is made of goes out as it came in: it is made safe to print, and secrets are taken out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from lagmon.labels import safe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

LEAST_SECRET = 4  # characters: what is shorter stands in too many words by chance
SHOWN = 10  # findings of one kind, one by one


class Level(StrEnum):
    """How a finding counts: *unknown* is what nobody told, and no fault."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at *where*, and how it is; *why* and *do* where it is not good."""

    level: Level
    where: str
    what: str
    why: str = ""
    do: str = ""


def goes_live(findings: Iterable[Finding], *, strict: bool = False) -> bool:
    """Tell whether to go live: nothing has failed, and in a *strict* view nothing is a warning."""
    bad = {Level.FAILED, Level.WARNING} if strict else {Level.FAILED}
    return not any(one.level in bad for one in findings)


def cleaned(findings: Iterable[Finding], secrets: Collection[str]) -> tuple[Finding, ...]:
    """Give *findings* fit to print: no control characters, and none of *secrets*."""
    told = sorted({one for one in secrets if len(one) >= LEAST_SECRET}, key=len, reverse=True)
    return tuple(
        replace(
            one,
            where=_clean(one.where, told),
            what=_clean(one.what, told),
            why=_clean(one.why, told),
            do=_clean(one.do, told),
        )
        for one in findings
    )


def _clean(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "<secret>")
    return " ".join(map(safe, text.split(" ")))  # as a whole a command may be longer than a name


def named(names: Collection[str]) -> str:
    """Name a few of *names*, and say how many more there are."""
    shown = sorted(names)[:SHOWN]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
