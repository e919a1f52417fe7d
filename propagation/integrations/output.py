"""Write lines to a stream that may be closed, broken, full, or not there at all.

In: one finished line at a time. Out: the line, whole, on a line of its own. What cannot be written
is lost: nothing raises, because no service dies of its log. A full disk may take half a line; the
next one that gets through then begins a new line, so that only the torn one cannot be read.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO


class Output:
    """A place for lines: *stream*, or standard output as it is at each line when None.

    Not for use by several threads at once.
    """

    __slots__ = ("_begin", "_stream")

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._begin = ""

    def write(self, line: str) -> None:
        """Write *line* and its end. Never raises."""
        stream = self._stream or sys.stdout
        if stream is None:
            return  # the process was started with its standard output closed
        try:
            stream.write(f"{self._begin}{line}\n")
            stream.flush()
            self._begin = ""
        except OSError:
            self._begin = "\n"  # a part of the line may be out, or wait in the stream's buffer
        except (ValueError, RuntimeError):
            pass  # a closed stream, or one that a signal's handler finds in the middle of a write
