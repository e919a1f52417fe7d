"""What the services count and time: one register, and the metrics that are made from it."""

from __future__ import annotations

from consumers.metrics.register import REGISTER, Definition
from consumers.metrics.service import Metrics

__all__ = ["REGISTER", "Definition", "Metrics"]
