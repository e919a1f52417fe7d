"""How replicas share: what may be written, and what a collector is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lagmon.configuration.sharing import Replica
from lagmon.configuration.sources import load
from lagmon.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from lagmon.configuration.settings import Settings

UNSUMMED = """is about a whole cluster, of which each replica sees its share alone; without \
sharding it can be judged"""
BEGINNING = "clusters: [{name: local, bootstrap_servers: 'kafka:9092'}]\n"


def read(folder: Path, text: str) -> Settings:
    """Read *text* behind the name of a cluster."""
    path = folder / "lagmon.yml"
    path.write_text(BEGINNING + text)
    return load(path)


def told(folder: Path, text: str) -> Replica | None:
    """Give what the collector is told it is, by *text*."""
    settings = read(folder, text)
    return settings.collector(settings.clusters[0], shared=True).replica


def test_alone_a_collector_is_no_replica(tmp_path: Path) -> None:
    """Nothing is shared unless it is said."""
    assert told(tmp_path, "") is None


def test_a_member_shares_by_a_group_named_after_the_cluster(tmp_path: Path) -> None:
    """`kafka` alone is enough: group and session have defaults."""
    assert told(tmp_path, "sharding: kafka") == Replica(group="lagmon-local", session=20.0)


def test_who_looks_once_looks_at_all(tmp_path: Path) -> None:
    """A table, a recording and the doctor are nobody's share."""
    settings = read(tmp_path, "sharding: kafka")

    assert settings.collector(settings.clusters[0]).replica is None


def test_group_and_session_may_be_chosen(tmp_path: Path) -> None:
    """Two lagmons at one cluster need two names."""
    text = "sharding: kafka\nsharding_group: watchers\nsharding_session: 12s"

    assert told(tmp_path, text) == Replica(group="watchers", session=12.0)


def test_a_part_may_be_told_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has it, so that replicas can have one file."""
    monkeypatch.setenv("LAGMON_SHARDING", "static 1/3")

    assert told(tmp_path, "") == Replica(index=1, of=3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sharding: zookeeper", "sharding: is none of: none, kafka, static I/N such as static 0/3"),
        (
            "sharding: static 1/0",
            "sharding: is none of: none, kafka, static I/N such as static 0/3",
        ),
        ("sharding: static 3/3", "sharding: counts from 0: the last of 3 is 2"),
        (
            "sharding: kafka\nsharding_session: 9s",
            "sharding_session must be at least twice poll_interval",
        ),
        (
            "sharding: kafka\nrules: {All: {condition: lag > 9, scope: cluster}}",
            f"rules.All: {UNSUMMED}",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """The problem says what would be right."""
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)

    assert list(caught.value.problems) == [why]


def test_a_short_session_is_nobodys_while_nothing_is_shared(tmp_path: Path) -> None:
    """What is not used is not measured."""
    assert told(tmp_path, "sharding_session: 1s") is None


def test_what_a_collector_is_told_goes_over_the_pipe(tmp_path: Path) -> None:
    """It reads what was written."""
    settings = read(tmp_path, "sharding: kafka")
    sent = settings.collector(settings.clusters[0], shared=True)

    assert type(sent).model_validate_json(sent.model_dump_json()).replica == sent.replica
