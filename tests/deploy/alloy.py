"""Reads Alloy's configuration language, as far as the shipped file uses it, as values.

A file is blocks, ``name "label" { … }``; inside are attributes, ``name = value``, and more blocks.
A value is a text, a number, a list, an object, or a reference such as ``loki.write.loki.receiver``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = re.compile(
    r'(?P<skip>\s+|//[^\n]*)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>\d+)'
    r"|(?P<name>[A-Za-z_][\w.]*)|(?P<mark>[{}\[\]=,])"
)


class Reference(str):
    """The name of what another block gives."""

    __slots__ = ()


@dataclass
class Block:
    """One block: its *name*, its *label* if it has one, and what is inside."""

    name: str
    label: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def all(self, name: str) -> list[Block]:
        """Give the blocks called *name* right inside this one, in order."""
        return [block for block in self.blocks if block.name == name]


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = [*_tokens(text), ("mark", "end")]

    def body(self, block: Block, end: str) -> Block:
        """Read into *block* up to the mark *end*."""
        while (token := self._next()) != ("mark", end):
            kind, name = token
            assert kind == "name", token
            if self._tokens[0] == ("mark", "="):
                self._next()
                block.attributes[name] = self._value(self._next())
            else:
                label = json.loads(self._next()[1]) if self._tokens[0][0] == "text" else ""
                assert self._next() == ("mark", "{"), name
                block.blocks.append(self.body(Block(name, label), "}"))
        return block

    def _next(self) -> tuple[str, str]:
        return self._tokens.pop(0)

    def _value(self, token: tuple[str, str]) -> Any:
        match token:
            case "text", text:
                return json.loads(text)
            case "number", text:
                return int(text)
            case "mark", "[":
                return list(self._items("]", self._value))
            case "mark", "{":
                return dict(self._items("}", self._pair))
            case _:
                return Reference(token[1])

    def _pair(self, token: tuple[str, str]) -> tuple[str, Any]:
        assert self._next() == ("mark", "="), token
        return token[1], self._value(self._next())

    def _items(self, end: str, read: Callable[[tuple[str, str]], Any]) -> Iterator[Any]:
        while (token := self._next()) != ("mark", end):
            if token != ("mark", ","):
                yield read(token)


def parse(text: str) -> Block:
    """Read a whole file; its blocks are those of the one that is given."""
    return _Reader(text).body(Block("file"), "end")


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"not Alloy: {text[at : at + 40]!r}")
        at = found.end()
        if found.lastgroup and found.lastgroup != "skip":
            yield found.lastgroup, found[0]
