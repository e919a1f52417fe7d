"""Findings: how they count, and what is taken out before anybody reads them."""

from __future__ import annotations

import json

import pytest

from lagmon.doctor.findings import Finding, Level, cleaned, goes_live, named
from lagmon.doctor.sheet import as_json, table

OK = Finding(Level.OK, "settings", "1 cluster")
UNKNOWN = Finding(Level.UNKNOWN, "cluster x", "clock: not known")
WARNING = Finding(Level.WARNING, "cluster x", "may not READ", "no trace", "kafka-acls")
FAILED = Finding(Level.FAILED, "cluster x", "did not answer", "blind", "check")


@pytest.mark.parametrize(
    ("findings", "live"),
    [
        ([], (True, True)),
        ([OK, UNKNOWN], (True, True)),
        ([OK, WARNING], (True, False)),
        ([OK, FAILED], (False, False)),
    ],
)
def test_only_failures_stop_unless_one_is_strict(
    findings: list[Finding], live: tuple[bool, bool]
) -> None:
    """A warning stops a strict view alone, and what is not known stops nobody."""
    assert (goes_live(findings), goes_live(findings, strict=True)) == live


def test_secrets_are_taken_out_of_every_part() -> None:
    """Whoever repeats one, it goes no further; the longer of two first."""
    (told,) = cleaned(
        [Finding(Level.FAILED, "hunter2", "a hunter22 b", "c hunter2", "d=hunter2")],
        {"hunter2", "hunter22"},
    )

    assert told == Finding(Level.FAILED, "<secret>", "a <secret> b", "c <secret>", "d=<secret>")


def test_a_secret_that_is_too_short_is_left_in_the_words_it_stands_in() -> None:
    """Or each *a* would be one."""
    (told,) = cleaned([Finding(Level.OK, "state", "a path")], {"a", ""})

    assert told.what == "a path"


def test_control_characters_do_not_reach_a_terminal() -> None:
    """Ids are anybody's; a line stays a line."""
    (told,) = cleaned([Finding(Level.FAILED, "x", "group \x1b[2J\n\u202eevil is refused")], ())

    assert told.what.isprintable()
    assert told.what.startswith("group ")
    assert told.what.endswith(" is refused")


def test_a_long_command_stays_whole() -> None:
    """Cut off, it would grant something else."""
    command = "kafka-acls --add " + " ".join(f"--topic {'t' * 200}{n}" for n in range(9))

    (told,) = cleaned([Finding(Level.FAILED, "x", "y", "z", command)], ())

    assert told.do == command


def test_many_names_are_a_few_and_a_number() -> None:
    """In order."""
    assert named({"b", "a"}) == "a, b"
    assert named([f"t{n:02}" for n in range(12)]).endswith("t08, t09 and 2 more")


def test_the_table_ends_with_the_worst_and_the_verdict() -> None:
    """A terminal shows its end."""
    lines = table([FAILED, OK, WARNING]).splitlines()

    assert lines == [
        "ok       settings   1 cluster",
        "warning  cluster x  may not READ",
        "                    why: no trace",
        "                    do:  kafka-acls",
        "failed   cluster x  did not answer",
        "                    why: blind",
        "                    do:  check",
        "go live: no (1 failed, 1 warning)",
    ]


def test_the_verdict_alone_is_said_where_all_is_well() -> None:
    """And a strict one says no to the same table."""
    assert table([OK]).splitlines()[-1] == "go live: yes"
    assert table([WARNING]).splitlines()[-1] == "go live: yes (1 warning)"
    assert table([WARNING], strict=True).splitlines()[-1] == "go live: no (1 warning)"


def test_json_has_the_same_in_one_line() -> None:
    """What is empty is null."""
    text = as_json([OK, FAILED])

    assert text.count("\n") == 1
    assert json.loads(text) == {
        "go_live": False,
        "findings": [
            {"level": "ok", "where": "settings", "what": "1 cluster", "why": None, "do": None},
            {
                "level": "failed",
                "where": "cluster x",
                "what": "did not answer",
                "why": "blind",
                "do": "check",
            },
        ],
    }
