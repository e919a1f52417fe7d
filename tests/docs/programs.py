"""Ask the programs that are on this machine which options they have, each question once."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache

from tests.infra import kafka_jvm, postgres_wheel
from tests.infra.require import MAKE_TOOLS, need, required

ANSWER_SECONDS = 60
# By their name: how to get one, and which question names all of its options.
ASKED = {
    "alertmanager": ("install the Debian package prometheus-alertmanager", "--help"),
    "amtool": ("install the Debian package prometheus-alertmanager", "--help-long"),
    "helm": (MAKE_TOOLS, "{verb} --help"),
    "promtool": ("install the Debian package prometheus", "--help-long"),
}
POSTGRES = {"pg_dump", "pg_isready", "pg_restore", "psql"}  # they come with the server
# Not on every machine. These are what the pages use, by the manuals of curl 8 and kubectl 1.34.
WRITTEN_DOWN = {
    "curl": "--silent --show-error --fail --request --header --data --data-urlencode --get --output"
    " --user --cacert --cert --key --include --write-out --max-time",
    "kubectl": "--namespace --selector --filename --output --previous --since --tail --follow"
    " --replicas --to-revision --timeout --grace-period --container --watch --kustomize",
}
OTHER_NAMES = {"alertmanager": "prometheus-alertmanager|alertmanager"}
# Scripts of a Kafka distribution, and the class that each runs.
TOOLS = "org.apache.kafka.tools"
KAFKA = {
    "kafka-acls": f"{TOOLS}.AclCommand",
    "kafka-broker-api-versions": f"{TOOLS}.BrokerApiVersionsCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": f"{TOOLS}.consumer.ConsoleConsumer",
    "kafka-consumer-groups": f"{TOOLS}.consumer.group.ConsumerGroupCommand",
    "kafka-get-offsets": f"{TOOLS}.GetOffsetShell",
    "kafka-leader-election": f"{TOOLS}.LeaderElectionCommand",
    "kafka-log-dirs": f"{TOOLS}.LogDirsCommand",
    "kafka-metadata-quorum": f"{TOOLS}.MetadataQuorumCommand",
    "kafka-reassign-partitions": f"{TOOLS}.reassign.ReassignPartitionsCommand",
    "kafka-topics": f"{TOOLS}.TopicCommand",
    "kafka-transactions": f"{TOOLS}.TransactionsCommand",
}
WITH_VERBS = {"helm", "kafka-transactions", "kafka-metadata-quorum"}
LISTING = {"amtool", "promtool"}  # they list their commands, of two words mostly, in one answer


def lists(program: str, verb: str) -> bool:
    """Tell whether *program*, one of `LISTING`, has the command *verb*, or its first word."""
    first = verb.partition(" ")[0]
    told = said(program, "")
    return any(
        re.search(rf"^ *{re.escape(one)}\b(?! [a-z])", told, re.MULTILINE) for one in (verb, first)
    )


def kafka_tool(program: str) -> str | None:
    """Give the name under which `KAFKA` has *program*, which may be a path and end in ``.sh``."""
    name = program.rpartition("/")[2].removesuffix(".sh")
    return name if name in KAFKA else None


def lacking(program: str, words: tuple[str, ...], given: list[str]) -> list[str]:
    """Give those options of *given* that *program* does not have for the verb among *words*."""
    known = kafka_tool(program) or program
    told = said(known, "")
    if known in WITH_VERBS:
        told += " ".join(said(known, word) for word in words if re.fullmatch(r"[a-z-]+\w", word))
    return [option for option in given if not _named(option, told)]


@cache
def said(program: str, verb: str) -> str:
    """Give what *program* says of itself, or of its *verb*; "" if it has no such verb."""
    if program in KAFKA:
        with required():
            line = [*kafka_jvm.command(), KAFKA[program]]
        line += [verb, "--help"] if verb else ["--help"]
    elif program in POSTGRES:
        with required():
            line = [str(postgres_wheel.installed() / program), "--help"]
    elif program in WRITTEN_DOWN:
        return WRITTEN_DOWN[program]
    else:
        install, question = ASKED[program]
        line = [need(OTHER_NAMES.get(program, program), install)]
        line += question.format(verb=verb).split()
    done = subprocess.run(
        line,
        env={**os.environ, "COLUMNS": "80"},  # some break their lines where the terminal ends
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    told = done.stdout + done.stderr
    # Kafka's tools break lines within a name.
    return "" if verb and not _is_verb(verb, told) else re.sub(r"--\s+(?=[a-z])", "--", told)


def _is_verb(verb: str, told: str) -> bool:
    return bool(re.search(rf"(?i)usage:.*\b{verb}\b", told, re.DOTALL))


def _named(option: str, told: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", told))
