"""What a reader of the status page asks to see, and in which order. Pure.

In: the query of a request, of which nothing is trusted. Out: a `Choice`: whatever the query says,
it is one, because a page for somebody who was woken is no place to complain about an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from lagmon.labels import safe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lagmon.model import GroupLag

LONGEST = 200  # characters to search for
SHOWN = (("all", "all groups"), ("attention", "those not well"), ("incidents", "with incidents"))
SORTED = (("worst", "worst first"), ("lag", "by lag"), ("waits", "by waiting"), ("name", "by name"))


@dataclass(frozen=True, slots=True)
class Choice:
    """The groups to show: *text* is part of their name or of a topic's, *show* of `SHOWN`.

    *cluster* is a published name, or empty for all; *sort* is one of `SORTED`.
    """

    text: str = ""
    show: str = "all"
    cluster: str = ""
    sort: str = "worst"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Choice:
        """Read *query*; what it lacks, or has wrong, is as by default."""
        return cls(
            text=query.get("q", "").strip()[:LONGEST],
            show=_known(query.get("show"), SHOWN),
            cluster=query.get("cluster", ""),
            sort=_known(query.get("sort"), SORTED),
        )

    @property
    def narrows(self) -> bool:
        """Whether some groups may be left out."""
        return bool(self.text or self.cluster) or self.show != SHOWN[0][0]

    @property
    def query(self) -> str:
        """The query that makes this choice, without its question mark; it can be put in a link."""
        given = {"q": self.text, "show": self.show, "cluster": self.cluster, "sort": self.sort}
        plain = {"q": "", "show": "all", "cluster": "", "sort": "worst"}
        chosen = {name: value for name, value in given.items() if value != plain[name]}
        return urlencode(chosen, errors="replace")

    def names(self, group: GroupLag) -> bool:
        """Tell whether the text is part of a name of *group*'s, as Kafka has it or as published."""
        if not self.text:
            return True
        wanted = self.text.casefold()
        names = {group.group, *(part.at.topic for part in group.partitions)}
        return any(wanted in name.casefold() or wanted in safe(name).casefold() for name in names)


def _known(value: str | None, known: tuple[tuple[str, str], ...]) -> str:
    return value if value in dict(known) else known[0][0]
