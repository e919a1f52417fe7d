"""Record and export spans with the OpenTelemetry SDK, set up by the OTEL_* variables alone."""

from __future__ import annotations

from propagation.sdk.environment import SettingsError
from propagation.sdk.telemetry import Telemetry, telemetry

__all__ = ["SettingsError", "Telemetry", "telemetry"]
