"""The commands to go on with, for whoever was woken: their names filled in, for a shell. Pure.

In: a `Notice` and how its cluster is reached. Out: annotations, one command each, for Kafka's own
tools. Group names are arbitrary text: what is written here is one printable line in which a shell
sees nothing but one argument, or there is no command. What would change something only says what it
would do: ``--dry-run`` becomes ``--execute`` by the hand of whoever decides.

They are for Kafka's names, not for those that `lagmon.labels.safe` publishes, which Kafka would not
know.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from lagmon.alerts.conditions import Measure
from lagmon.model import State
from lagmon.notify.phrases import oldest, partition_of

if TYPE_CHECKING:
    from lagmon.model import PartitionLag
    from lagmon.report import Notice, OldestRecord, Reach

LONGEST = 1024  # characters of a command: a longer one is no line to paste
PROPERTIES = "client.properties"  # of whoever types: lagmon's own may do less, and are secret

_GROUPS = "kafka-consumer-groups.sh"
_PLAIN = frozenset(" ._-=/:@+,")  # beside letters and digits
# Where one record may be what holds the group up; otherwise nothing is gained without it.
_SKIPPABLE = frozenset({State.BLOCKED, State.STALLED})


def commands(notice: Notice, reach: Reach | None) -> dict[str, str]:
    """Give the commands for *notice* by the name of their annotation; none for what is over."""
    if reach is None or notice.change.incident.resolved_at is not None:
        return {}
    if notice.change.incident.key.group is None:
        given = _of_cluster(notice, reach)
    else:
        given = _of_group(notice, notice.change.incident.key.group, reach)
    written = {f"command_{name}": _line(words) for name, words in given.items()}
    return {name: line for name, line in written.items() if line}


def quoted(word: str) -> str | None:
    """Write *word* so that a shell takes it as it is; None for what no command line can hold.

    What single quotes alone do not hold is written by its bytes within ``$'…'``, which bash, zsh
    and ksh read; and so is everything there that is special anywhere, such as ``!`` at a prompt.
    """
    if word.isprintable() and "'" not in word:
        return shlex.quote(word)
    if "\0" in word:
        return None
    try:
        return "$'" + "".join(map(_escaped, word)) + "'"
    except UnicodeEncodeError:  # half a character, which no keyboard gives
        return None


def _escaped(char: str) -> str:
    if char.isalnum() or char in _PLAIN:
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode())


def _line(words: list[str]) -> str | None:
    written = [quoted(word) for word in words]
    line = " ".join(word for word in written if word is not None)
    return line if None not in written and len(line) <= LONGEST else None


def _of_cluster(notice: Notice, reach: Reach) -> dict[str, list[str]]:
    if notice.rule.condition.measure is not Measure.LIST:
        return {}
    return {
        "brokers": _tool("kafka-broker-api-versions.sh", reach),
        "groups": [*_tool(_GROUPS, reach), "--list"],
    }


def _of_group(notice: Notice, group: str, reach: Reach) -> dict[str, list[str]]:
    given = {"describe": [*_tool(_GROUPS, reach), "--describe", f"--group={group}"]}
    record, row = oldest(notice), partition_of(notice)
    given |= _of_record(record, reach) if record else {}
    return given | (_out_of(row, record, group, reach) if row else {})


def _of_record(record: OldestRecord, reach: Reach) -> dict[str, list[str]]:
    secured = [f"--consumer.config={PROPERTIES}"] if reach.secured else []
    at = [f"--topic={record.at.topic}", f"--partition={record.at.partition}"]
    shown = [f"--property=print.{what}=true" for what in ("offset", "timestamp", "key", "headers")]
    one = [f"--offset={record.offset}", "--max-messages=1", *shown]
    tool = ["kafka-console-consumer.sh", f"--bootstrap-server={reach.servers}", *secured]
    return {"record": [*tool, *at, *one]}


def _out_of(
    row: PartitionLag, record: OldestRecord | None, group: str, reach: Reach
) -> dict[str, list[str]]:
    """Give what helps out of the state of *row*, the partition that is told of."""
    at = f"--topic={row.at.topic}:{row.at.partition}"

    def to(offset: int) -> list[str]:
        reset = [f"--group={group}", at, "--reset-offsets", f"--to-offset={offset}"]
        return [*_tool(_GROUPS, reach), *reset, "--dry-run"]

    stands = record.offset if record else row.committed
    if row.judged in _SKIPPABLE and stands is not None:
        return {"skip": to(stands + 1)}
    if row.judged is State.LOST and row.start is not None:
        return {"reset": to(row.start)}
    if row.judged is State.BEYOND_END and row.end is not None:
        return {"reset": to(row.end)}
    if row.judged is State.HANGING_TRANSACTION:
        where = [f"--topic={row.at.topic}", f"--partition={row.at.partition}"]
        tool = _tool("kafka-transactions.sh", reach)
        return {"transactions": [*tool, "describe-producers", *where]}
    return {}


def _tool(name: str, reach: Reach) -> list[str]:
    secured = [f"--command-config={PROPERTIES}"] if reach.secured else []
    return [name, f"--bootstrap-server={reach.servers}", *secured]
