"""Hold a share of one cluster, for the loop: what is ours, what comes with it, when it ends.

In: each snapshot. Out: what of it may be judged now, the incidents to take over with it, and a call
at the moment in which the share runs out. By default there is one lagmon, and it has everything.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lagmon.judge.shared import with_taken_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from lagmon.alerts.incidents import State
    from lagmon.readings import Share, Snapshot
    from lagmon.sharding.lease import Lease
    from lagmon.sharding.takeover import Takeover


class Tenancy:
    """The *lease* on a cluster, and who asks for the incidents that come with it."""

    def __init__(self, lease: Lease | None = None, takeover: Takeover | None = None) -> None:
        self._lease = lease
        self._takeover = takeover
        self._end: asyncio.TimerHandle | None = None

    @property
    def share(self) -> Share | None:
        """What is held now; None is everything."""
        return self._lease.share if self._lease else None

    def renew(self, snapshot: Snapshot) -> Snapshot:
        """Hold what *snapshot* says; give what of it may be judged."""
        return self._lease.renew(snapshot) if self._lease else snapshot

    def narrowed(self, snapshot: Snapshot) -> Snapshot:
        """Give *snapshot* without what is not held any more; the very same where all of it is."""
        return self._lease.narrowed(snapshot) if self._lease else snapshot

    def with_taken_over(self, state: State, snapshot: Snapshot) -> State:
        """Give *state* with what others told of the groups that are new in the share."""
        if self._takeover is None:
            return state
        return with_taken_over(state, self._takeover.incidents(snapshot))

    def at_end(self, shown: Share | None, then: Callable[[], None]) -> None:
        """Have *then* called when *shown* runs out, before anything else is answered.

        At once, where it has run out while it was put up. Where it has nothing, who was to be
        called before still is: values of before may be kept.
        """
        if self._lease is None or shown is None or not shown.owned:
            return
        if self._end is not None:
            self._end.cancel()
        if (left := self._lease.seconds_left) < float("inf"):
            self._end = asyncio.get_running_loop().call_later(max(0.0, left), then)

    async def stop(self) -> None:
        """Wait for nothing any more."""
        if self._end is not None:
            self._end.cancel()
        if self._takeover is not None:
            await self._takeover.stop()
