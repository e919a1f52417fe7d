"""Fit the code of a page to the Kafka that it is run on, and what it tells to the page.

A shared broker is used by several tests: there topics and groups have a suffix of the test's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tests.docs.pages import HERE

TOPIC = "orders"  # how the names of all topics of the pages begin


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Kafka at *servers*.

    *suffix* is what the names of topics and groups have there. *protocol* is a group protocol for
    every consumer, where that of the pages will not do: the mock cluster assigns at once by the
    newer one alone.
    """

    servers: str
    suffix: str = ""
    protocol: str = ""

    def name(self, topic: str) -> str:
        """Give the name that *topic* of a page has here."""
        return topic.replace(TOPIC, f"{TOPIC}{self.suffix}", 1)

    def fitted(self, code: str) -> str:
        """Give *code* of a page as it runs here."""
        protocol = f'"group.protocol": "{self.protocol}", ' if self.protocol else ""
        code = code.replace(HERE, self.servers).replace(f'"{TOPIC}', f'"{TOPIC}{self.suffix}')
        return re.sub(r'("group\.id": "[^"]+)', rf"{protocol}\1{self.suffix}", code)

    def told(self, text: str) -> str:
        """Give *text* that came from here as the page has it."""
        return text.replace(self.suffix, "") if self.suffix else text

    def run(self, code: str, page: str, names: dict[str, Any]) -> None:
        """Execute *code*, a block of *page*, in *names*."""
        exec(compile(self.fitted(code), page, "exec"), names)  # noqa: S102  # our own page
