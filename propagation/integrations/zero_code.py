"""What ``opentelemetry-instrument`` finds of this package: the instrumentor, and an earlier hook.

Both are entry points. `prepare` runs before any instrumentor is loaded, and so before
opentelemetry-instrumentation-confluent-kafka and before the application: there is no earlier
place that asks nothing of whoever starts the application. Neither ever keeps it from starting.
OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=propagation switches both off.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from propagation.instrument import instrument, uninstrument

try:
    from opentelemetry.instrumentation.environment_variables import (
        OTEL_PYTHON_DISABLED_INSTRUMENTATIONS,
    )
    from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # untyped
        BaseInstrumentor,
    )
except ImportError as error:
    raise ImportError(
        "propagation.integrations.zero_code needs the zero-code extra: "
        "pip install 'lagmon[zero-code]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Collection

NAME: Final = "propagation"  # of the entry points
_ALL: Final = "*"

_log: Final = logging.getLogger(__name__)


class PropagationInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """OpenTelemetry's handle on `propagation.instrument`, with its *scope* as the one option."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name what is instrumented; this package depends on it and needs no check."""
        return ("confluent-kafka >= 2.16",)

    def _instrument(self, **kwargs: Any) -> None:
        instrument(scope=kwargs.get("scope", "poll"))

    def _uninstrument(self, **_: Any) -> None:
        uninstrument()


def prepare() -> None:
    """Instrument before anybody else does."""
    disabled = os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "").split(",")
    if {NAME, _ALL}.isdisjoint(name.strip() for name in disabled):
        try:
            instrument()
        except Exception:  # noqa: BLE001  # the application starts, come what may
            _log.exception("instrument_failed")
