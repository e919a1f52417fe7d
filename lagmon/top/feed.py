"""Keep a screen fresh: ask again and again, in a thread, so that keys never wait for an answer.

In: an `Asking`, how often, and which group is open. Out: `Feed.seen`, swapped whole. The clusters
are asked for each time; the rest only when they tell that something is new. What does not answer
is asked again, and the last values stay with what is in the way.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.top.asking import NoAnswer
from lagmon.top.page import Seen
from lagmon.wording import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from lagmon.top.asking import Asking
    from lagmon.top.showing import Key


class Feed:
    """What *asking* answers, asked for every *seconds*; the first answer is there when it is made.

    NoAnswer if there is none. *clock* gives seconds that only grow.
    """

    def __init__(
        self, asking: Asking, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._asking, self._seconds, self._clock = asking, seconds, clock
        clusters = asking.clusters()
        self._seen = Seen(asking.url, asking.rest(clusters))
        self._answered = clock()
        self._wanted: Key | None = None
        self._turn = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._go_on, name="feed", daemon=True)

    @property
    def seen(self) -> Seen:
        """What was answered last; how long ago, where that is too long."""
        seen = self._seen
        if not seen.trouble:
            return seen
        ago = duration(self._clock() - self._answered)
        return replace(seen, trouble=f"No answer for {ago}: {seen.trouble}")

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. An answer that is on its way is not waited for."""
        self._over = True
        self._turn.set()

    def open(self, key: Key | None) -> None:
        """Ask for that group too, now and each time; None: for none."""
        if key != self._wanted:
            self._wanted = key
            self._turn.set()

    def look(self) -> None:
        """Ask once."""
        wanted = self._wanted
        try:
            self._seen = self._asked(wanted)
            self._answered = self._clock()
        except NoAnswer as error:
            self._seen = replace(self._seen, trouble=str(error))

    def _asked(self, wanted: Key | None) -> Seen:
        before = self._seen
        clusters = self._asking.clusters()
        is_new = clusters.clusters != before.reading.clusters
        reading = self._asking.rest(clusters) if is_new else replace(before.reading, at=clusters.at)
        seen = replace(before, reading=reading, trouble="")
        if wanted is None:
            return replace(seen, whole=None, missing="")
        if not is_new and before.whole is not None and before.whole.key == wanted:
            return seen
        try:
            return replace(seen, whole=self._asking.whole(wanted), missing="")
        except NoAnswer as error:
            return replace(seen, whole=None, missing=str(error))

    def _go_on(self) -> None:
        while not self._over:
            self._turn.wait(self._seconds)
            self._turn.clear()
            if not self._over:
                self.look()
