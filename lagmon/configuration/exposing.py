"""What of the values is exported to Prometheus. In: what the file says below ``metrics``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lagmon.configuration.parts import Part
from lagmon.exposition.bounds import Exported, Granularity


class Metrics(Part):
    """How fine the series are, how many there may be, and under which names besides lagmon's."""

    granularity: Granularity = Granularity.PARTITION
    max_series: Annotated[int, Field(ge=1000)] = 200_000
    compatibility: Literal["kafka_exporter"] | None = None

    def exported(self) -> Exported:
        """Give what the page is written by."""
        return Exported(self.granularity, self.max_series, self.compatibility == "kafka_exporter")
