"""What ``opentelemetry-instrument`` finds of this package: the instrumentor, and an earlier hook.

Both are entry points. `prepare` runs before any instrumentor is loaded, and so before
opentelemetry-instrumentation-confluent-kafka and before the application: there is no earlier
place that asks nothing of whoever starts the application. Neither ever keeps it from starting.
OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=propagation switches both off.

PROPAGATION_SCOPE and PROPAGATION_OPTIONS are what `propagation.instrument` takes by these names;
the options are a JSON object of the fields of `propagation.Options`. Where one is wrong nothing is
instrumented: a trust that was mistyped must not become trust in everybody.
"""

from __future__ import annotations

import json
import logging
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, get_args

from propagation.instrument import Scope, instrument, uninstrument
from propagation.options import Options, TopicPolicy

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
SCOPE: Final = "PROPAGATION_SCOPE"
OPTIONS: Final = "PROPAGATION_OPTIONS"
_ALL: Final = "*"

_log: Final = logging.getLogger(__name__)


class PropagationInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """OpenTelemetry's handle on `propagation.instrument`, with its *scope* and *options*.

    What is not given is as the environment says.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name what is instrumented; this package depends on it and needs no check."""
        return ("confluent-kafka >= 2.16",)

    def _instrument(self, **kwargs: Any) -> None:
        wanted = _wanted()
        if wanted is not None:
            given = {name: kwargs[name] for name in ("scope", "options") if name in kwargs}
            instrument(**(wanted | given))

    def _uninstrument(self, **_: Any) -> None:
        uninstrument()


def prepare() -> None:
    """Instrument before anybody else does."""
    disabled = os.environ.get(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, "").split(",")
    if {NAME, _ALL}.isdisjoint(name.strip() for name in disabled):
        wanted = _wanted()
        if wanted is None:
            return
        try:
            instrument(**wanted)
        except Exception:  # noqa: BLE001  # the application starts, come what may
            _log.exception("instrument_failed")


def _wanted() -> dict[str, Any] | None:
    return _read(os.environ.get(SCOPE, ""), os.environ.get(OPTIONS, ""))


@lru_cache(maxsize=1)  # whoever asks again is not told again what is wrong
def _read(scope: str, options: str) -> dict[str, Any] | None:
    """Give what the two variables ask of `instrument`; None, and an error line, if one is wrong."""
    try:
        wanted = {"scope": _scope(scope), "options": _options(options)}
    except ValueError as error:
        _log.error("instrument_refused: %s. Nothing is traced.", error)
        return None
    return {name: value for name, value in wanted.items() if value is not None}


def _scope(text: str) -> str | None:
    if text and text not in get_args(Scope):
        raise ValueError(f"{SCOPE}={text!r} must be one of {', '.join(get_args(Scope))}")
    return text or None


def _options(text: str) -> Options | None:
    """Read the fields of `Options` from a JSON object; None where *text* is empty.

    Raises:
        ValueError: it is none, or has a field that is unknown or wrong.
    """
    if not text:
        return None
    try:
        fields = {**json.loads(text)}
        policies = tuple(TopicPolicy(**policy) for policy in fields.pop("policies", ()))
        return Options(policies=policies, **fields)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{OPTIONS}={text!r}: {error}") from error
