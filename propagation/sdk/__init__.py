"""Record and export spans with the OpenTelemetry SDK, set up by the OTEL_* variables alone.

The light span lives here too and needs the SDK alone: a service that brings its own set-up, and
has not installed our exporters, hears of them only when it asks for `telemetry`.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

from propagation.sdk.environment import SettingsError

with suppress(ImportError):
    from propagation.sdk.telemetry import Telemetry, telemetry

__all__ = ["SettingsError", "Telemetry", "telemetry"]


def __getattr__(name: str) -> Any:
    """Raise the ImportError that says what to install, for what could not be imported above."""
    if name in __all__:
        return getattr(import_module("propagation.sdk.telemetry"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
