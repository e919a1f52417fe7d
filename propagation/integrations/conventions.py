"""Choose the stable OpenTelemetry conventions for HTTP and databases.

OpenTelemetry's instrumentations still write the old attribute names unless
OTEL_SEMCONV_STABILITY_OPT_IN says otherwise, and read it once in a process: when the first of them
is set up. So both names are added at the first chance, and what the user wrote stays in front.
"""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"


def prefer_stable() -> None:
    """Add `http` and `database` to the variable, for this process and its children.

    A user's `http/dup` or `database/dup` (old and new names) is left alone. An instrumentation that
    was set up earlier has already decided for all: set the variable outside, or set ours up first.
    """
    given = [word.strip() for word in os.environ.get(VARIABLE, "").split(",") if word.strip()]
    missing = [s for s in ("http", "database") if not {s, f"{s}/dup"} & set(given)]
    os.environ[VARIABLE] = ",".join(given + missing)
