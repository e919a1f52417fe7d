"""What this replica may speak of, and until when: asked before anything is published or sent.

In: each snapshot, of which the collector says what is its own for certain, and until when. Out: the
snapshot without what it is not. The time is asked for each time: whoever stood still, in the middle
of whatever, finds that the share has run out. *elapsed* is a clock that nobody sets, the same in
the collector's process.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.readings import Share
from lagmon.sharding.ownership import owns, without_others

if TYPE_CHECKING:
    from collections.abc import Callable

    from lagmon.model import IncidentKey
    from lagmon.readings import Snapshot

RAN_OUT = "it was not confirmed in time that its share is still its own"
NOT_YET = "nothing was heard yet of its share"


class Lease:
    """The lease on one cluster's groups; only *share* is held before the first `renew`."""

    def __init__(self, elapsed: Callable[[], float], share: Share | None = None) -> None:
        self._elapsed = elapsed
        self._share = share or Share(until=0.0, why=NOT_YET)
        self._blind = False

    @property
    def share(self) -> Share:
        """Give what is held now."""
        if self.seconds_left > 0:
            return self._share
        return replace(self._share, owned=(), why=self._share.why or RAN_OUT)

    @property
    def seconds_left(self) -> float:
        """Give for how long what is held now is; infinity for ever."""
        until = self._share.until
        return float("inf") if until is None else until - self._elapsed()

    def renew(self, snapshot: Snapshot) -> Snapshot:
        """Hold what *snapshot* says; give what of it may be judged.

        One without an answer says nothing: what is held is held on.
        """
        self._blind = snapshot.error is not None
        if snapshot.owned is not None:
            self._share = snapshot.owned
        return self.narrowed(snapshot)

    def narrowed(self, snapshot: Snapshot) -> Snapshot:
        """Give *snapshot* without what is not held any more; the very same where all of it is."""
        share = self.share
        if snapshot.owned == share:
            return snapshot
        topics = snapshot.topics if share.owned else ()
        return without_others(replace(snapshot, owned=share, topics=topics))

    def covers(self, key: IncidentKey) -> bool:
        """Tell whether what *key* is about may be spoken of now.

        While the cluster gives no answer that is everybody's to say.
        """
        return (key.group is None and self._blind) or owns(self.share, key.group)
