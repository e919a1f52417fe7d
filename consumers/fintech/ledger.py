"""The stand-in's book: what was settled, under which key, in the order in which it came.

One Idempotency-Key is one entry for ever: whoever asks again under it with the same order finds the
same entry, another order under it is refused. Two keys for one play are two entries, as they would
be two payments: the book shows such a fault instead of hiding it.

With a file each entry is written down before it is answered, so that the book outlives its process,
by kill -9 too; a machine that loses power may lose the last ones. Belongs to one thread.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from consumers.errors import ConsumersError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path
    from typing import Self

MAX_ID = 256  # characters of an id
MAX_CENTS = 2**53  # beyond this a number in JSON is no longer exact

Id = Annotated[str, StringConstraints(pattern=rf"^[!-~]{{1,{MAX_ID}}}$")]
Cents = Annotated[int, Field(ge=0, le=MAX_CENTS)]


class KeyTakenError(ConsumersError):
    """Another order was settled under this key."""


class Order(BaseModel):
    """What somebody asks to be settled: the player pays *bet* and gets *payout*, in cents."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    play_id: Id
    player_id: Id
    bet: Cents
    payout: Cents


@dataclass(frozen=True, slots=True)
class Entry:
    """One settlement. *trace_id* is that of the request; *settled_at* is ISO 8601 in UTC."""

    settlement_id: str
    key: str
    play_id: str
    player_id: str
    bet: int
    payout: int
    trace_id: str
    settled_at: str

    def line(self) -> str:
        """Write the entry as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"


class Ledger:
    """The book. With a *path* it begins with what is written there, and goes on writing there.

    A context manager: closes the file.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._entries: dict[str, Entry] = {}
        self._of_play: defaultdict[str, list[Entry]] = defaultdict(list)
        self._file = self._open(path) if path else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def settle(self, key: str, order: Order, *, trace_id: str, now: datetime) -> tuple[Entry, bool]:
        """Give the entry under *key*, and whether it is new. Raises `KeyTakenError`."""
        if known := self._entries.get(key):
            if order != Order(**{name: getattr(known, name) for name in Order.model_fields}):
                raise KeyTakenError("another order was settled under this key")
            return known, False
        entry = Entry(
            settlement_id=str(uuid.uuid4()),
            key=key,
            **order.model_dump(),
            trace_id=trace_id,
            settled_at=now.isoformat(),
        )
        if self._file:
            self._file.write(entry.line().encode())
        self._keep(entry)
        return entry, True

    def entries(self) -> Iterable[Entry]:
        """Give every entry, the oldest first."""
        return self._entries.values()

    def of(self, play_id: str) -> Iterable[Entry]:
        """Give the entries of one play: one, none, or more after a fault of whoever asked."""
        return self._of_play.get(play_id, ())

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.key] = entry
        self._of_play[entry.play_id].append(entry)

    def _open(self, path: Path) -> IO[bytes]:
        # Unbuffered: what was written is the system's, whatever becomes of this process.
        file = path.open("a+b", buffering=0)
        file.seek(0)
        good = 0
        for line in file.readlines():
            if not line.endswith(b"\n"):
                break  # half of an entry, which nobody was told of
            self._keep(Entry(**json.loads(line)))
            good += len(line)
        file.truncate(good)
        return file
