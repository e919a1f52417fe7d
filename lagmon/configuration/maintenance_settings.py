"""The shape of ``maintenance:`` in the configuration, and the windows that come of it.

In: what the file says of each window. Out: values of `lagmon.alerts.maintenance`. A window has
either a beginning and an end, or a time of day and a length; both by the clock on the wall.
"""

from __future__ import annotations

import re  # noqa: TC003 - pydantic reads the annotations
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lagmon.alerts.maintenance import DAYS, Once, Weekly, Window
from lagmon.configuration.parts import Duration, Part

if TYPE_CHECKING:
    from typing import Self

_HOUR_SECONDS = 3600


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no time zone; write it as Europe/Berlin or UTC") from None
    return name


def _on_the_wall(at: datetime) -> datetime:
    if at.tzinfo is not None:
        raise ValueError("is written without an offset; time_zone says what it means")
    return at


def _time(value: object) -> object:
    # YAML 1.1 reads 22:00 and 1:30:00 as numbers to the base of 60, but nothing that begins with 0.
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        minutes, rest = (value, 0) if value < _HOUR_SECONDS else divmod(value, 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
    return value


def _plain(at: time) -> time:
    if at.tzinfo is not None:
        raise ValueError("is written without an offset; time_zone says what it means")
    return at


Wall = Annotated[datetime, AfterValidator(_on_the_wall)]


class WindowSettings(Part):
    """One maintenance window: *begins* to *ends*, or on *days* from *at* for *lasts*."""

    name: Annotated[str, Field(min_length=1)]
    time_zone: Annotated[str, AfterValidator(_zone)]
    begins: Wall | None = Field(default=None, alias="from")
    ends: Wall | None = Field(default=None, alias="until")
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    at: Annotated[time, BeforeValidator(_time), AfterValidator(_plain)] | None = None
    lasts: Duration | None = None
    clusters: re.Pattern[str] | None = None
    groups: re.Pattern[str] | None = None
    rules: re.Pattern[str] | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        is_once = self.begins is not None and self.ends is not None
        comes_again = self.at is not None and self.lasts is not None
        given = [self.begins, self.ends, self.at, self.lasts, self.days or None]
        if is_once is comes_again or sum(one is not None for one in given) > 2 + bool(self.days):
            raise ValueError("has either from and until, or at and lasts with days, if not on all")
        if self.begins and self.ends and self.ends <= self.begins:
            raise ValueError("until must come after from")
        return self

    def window(self) -> Window:
        """Give it as a value."""
        patterns = {"clusters": self.clusters, "groups": self.groups, "rules": self.rules}
        return Window(
            self.name,
            self._when(),
            **{name: pattern.pattern for name, pattern in patterns.items() if pattern},
        )

    def _when(self) -> Once | Weekly:
        zone = ZoneInfo(self.time_zone)
        if self.begins is not None and self.ends is not None:
            return Once(self.begins, self.ends, zone)
        assert self.at is not None
        assert self.lasts is not None
        days = frozenset(map(DAYS.index, self.days)) or frozenset(range(len(DAYS)))
        return Weekly(days, self.at, timedelta(seconds=self.lasts), zone)
