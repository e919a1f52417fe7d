"""The shape of lagmon's configuration: frozen values with their defaults and limits.

`sources.load` fills them. Unknown keys are refused. Durations are written ``15s``, ``2m``,
``500ms`` and are seconds from here on.

librdkafka properties under ``client`` may hold secrets: they are left out of every ``repr`` and of
every problem. ``sasl.password_file: PATH`` sets ``sasl.password`` to what the file holds;
the collector reads it again when it changes.

Which rules exist is not known here: `sources.load` refuses unknown names.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from lagmon.configuration import addresses, sharing
from lagmon.configuration.exposing import Metrics
from lagmon.configuration.maintenance_settings import WindowSettings
from lagmon.configuration.parts import Duration, Link, Part, Pattern
from lagmon.configuration.properties import FromFile, content
from lagmon.configuration.receivers import Alertmanager, PagerDuty, Receiver, Webhook, differ
from lagmon.configuration.rule_settings import RuleSettings
from lagmon.configuration.serving import Web
from lagmon.configuration.sharing import NONE, Replica, in_time, replica
from lagmon.judge.states import Judging

if TYPE_CHECKING:
    from typing import Self

    from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "LAGMON_"
NESTED = "__"
ELSEWHERE = {"bootstrap.servers": "bootstrap_servers of the cluster"}
# What one look at a record hangs on: no group is joined, nothing is committed, nothing is created.
OURS_ALONE = frozenset(
    {
        "allow.auto.create.topics",
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "fetch.max.bytes",
        "fetch.message.max.bytes",
        "fetch.wait.max.ms",
        "group.id",
        "isolation.level",
        "max.partition.fetch.bytes",  # another name of fetch.message.max.bytes
        "queued.min.messages",
    }
)


def _property(value: object) -> object:
    if not isinstance(value, str | int | float | bool):
        raise ValueError("must be text, a number, true or false")  # noqa: TRY004 - for pydantic
    return value


Property = Annotated[str | int | float | bool, BeforeValidator(_property)]
Client = dict[str, Property]
Static = dict[str, tuple[str, ...]]


class Selection(Part):
    """Names by pattern: no *include* takes all, *exclude* wins, patterns match in full."""

    include: tuple[Pattern, ...] = ()
    exclude: tuple[Pattern, ...] = ()

    def accepts(self, name: str) -> bool:
        """Tell whether *name* is selected."""
        if self.excludes(name):
            return False
        return not self.include or any(pattern.fullmatch(name) for pattern in self.include)

    def excludes(self, name: str) -> bool:
        """Tell whether *name* is left out, whatever includes it."""
        return any(pattern.fullmatch(name) for pattern in self.exclude)


class Groups(Selection):
    """Which groups of a cluster to watch.

    With *static* (group → its topics) nothing is listed: for clusters that cannot be asked. What is
    to be excluded is not in it.
    """

    exclude: tuple[Pattern, ...] = (re.compile("console-consumer-.*", re.DOTALL),)
    static: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default={})

    @field_validator("static")
    @classmethod
    def _exclude_wins(cls, static: Static, told: ValidationInfo) -> Static:
        excluded = cls.model_construct(exclude=told.data.get("exclude", ()))
        kept = {name: topics for name, topics in static.items() if not excluded.excludes(name)}
        if static and not kept:  # empty it would mean all groups there are
            raise ValueError("names no group that exclude leaves; exclude wins")
        return kept


class Cluster(Part):
    """One Kafka cluster, how to reach it, and what of it to watch."""

    name: Annotated[str, Field(min_length=1)]
    bootstrap_servers: Annotated[str, AfterValidator(addresses.servers)]
    client: Client = Field(default={}, repr=False)
    groups: Groups = Groups()
    topics: Selection = Selection()

    @field_validator("client")
    @classmethod
    def _read_secrets(cls, client: Client) -> Client:
        for name, where in ELSEWHERE.items():
            if name in client:
                raise ValueError(f"{name} is not set here but as {where}")
        if ours := sorted(OURS_ALONE.intersection(client)):
            raise ValueError(f"{', '.join(ours)}: set by lagmon itself; leave it out")
        for name in client:
            if name.endswith("_file") and name.removesuffix("_file") in client:
                raise ValueError(f"{name} and {name.removesuffix('_file')} are both set; keep one")
        return {name.removesuffix("_file"): content(name, v) for name, v in client.items()}


class CollectorSettings(Part):
    """What the collector of one cluster needs: the first line on its stdin, as JSON.

    ``model_dump_json()`` gives secrets away: it goes nowhere but into that pipe. Times are plain
    seconds.
    """

    cluster: Cluster
    cycle_deadline: float = 15.0
    request_timeout: float = 5.0
    fan_out: int = 50
    idle_refresh: float = 60.0
    peek_headers: tuple[str, ...] = ()
    secret_files: dict[str, str] = Field(default={}, repr=False)  # property -> path
    replica: Replica | None = None
    environment: str = "development"
    log_level: str = "INFO"


class Links(Part):
    """Where an alert points to: the Jaeger of the traces, the runbook of the team."""

    jaeger: Link | None = None
    runbook: Annotated[str, AfterValidator(addresses.template)] | None = None


class State(Part):
    """Where lagmon keeps what a restart must not forget; without *path* it forgets."""

    path: Path | None = None

    @field_validator("path")
    @classmethod
    def _is_a_file(cls, path: Path | None) -> Path | None:
        if path is not None and path.is_dir():
            raise ValueError(f"{path} is a directory; name a file in it")
        return path


class Settings(BaseSettings):
    """All of lagmon's configuration, built from what it is handed and nothing else."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=False,  # they are seconds already
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
    )

    clusters: tuple[Cluster, ...]
    poll_interval: Duration = 5.0
    cycle_deadline: Duration = 15.0
    request_timeout: Duration = 5.0
    fan_out: Annotated[int, Field(ge=1, le=1000)] = 50
    idle_refresh: Duration = 60.0
    window: Duration = 1800.0
    stall_after: Duration = 120.0
    stall_after_unseen: Duration = 600.0
    allowed_lag: Annotated[int, Field(ge=0)] = 0
    min_samples: Annotated[int, Field(ge=1)] = 3
    transaction_timeout: Duration = 900.0
    probes_per_cycle: Annotated[int, Field(ge=0, le=100)] = 4
    peeks_per_cycle: Annotated[int, Field(ge=0)] = 20
    peek_headers: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    web: Web = Web()
    alertmanagers: tuple[Alertmanager, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    pagerduty: PagerDuty | None = None
    links: Links = Links()
    rules: dict[str, RuleSettings] = Field(default={})
    maintenance: tuple[WindowSettings, ...] = ()
    state: State = State()
    metrics: Metrics = Metrics()
    sharding: Annotated[str, AfterValidator(sharing.sharding)] = NONE
    sharding_group: Annotated[str, Field(min_length=1)] | None = None
    sharding_session: Duration = 20.0
    environment: str = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what was handed in alone: `sources` merges and knows the order."""
        return (init_settings,)

    @field_validator("clusters")
    @classmethod
    def _names_differ(cls, clusters: tuple[Cluster, ...]) -> tuple[Cluster, ...]:
        if not clusters:
            raise ValueError("names no cluster; one at least")
        names = [cluster.name for cluster in clusters]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two clusters are named {twice[0]!r}; the name is a label")
        return clusters

    @field_validator("alertmanagers", "webhooks")
    @classmethod
    def _receivers_differ(cls, receivers: tuple[Receiver, ...]) -> tuple[Receiver, ...]:
        return differ(receivers)

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.request_timeout > self.cycle_deadline:
            raise ValueError("request_timeout must fit into cycle_deadline")
        in_time(self.sharding, self.sharding_session, self.poll_interval)
        return self

    @property
    def judging(self) -> Judging:
        """What states are judged by."""
        return Judging(**{each.name: getattr(self, each.name) for each in fields(Judging)})

    def collector(self, cluster: Cluster, *, shared: bool = False) -> CollectorSettings:
        """Give the collector of *cluster* its part; if *shared*, that of one replica."""
        return CollectorSettings(
            cluster=cluster,
            cycle_deadline=self.cycle_deadline,
            request_timeout=self.request_timeout,
            fan_out=self.fan_out,
            idle_refresh=self.idle_refresh,
            peek_headers=self.peek_headers,
            secret_files={
                name: value.path
                for name, value in cluster.client.items()
                if isinstance(value, FromFile)
            },
            replica=self.replica(cluster) if shared else None,
            environment=self.environment,
            log_level=self.log_level,
        )

    def replica(self, cluster: Cluster) -> Replica | None:
        """Give what lagmon is one of at *cluster*, None where it is the only one."""
        return replica(self.sharding, self.sharding_group, self.sharding_session, cluster.name)
