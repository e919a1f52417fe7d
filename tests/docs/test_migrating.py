"""The pages on coming from other monitors: names, settings and alerts of ours are the real ones."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lagmon.board import advance
from lagmon.cli import main
from lagmon.exposition.bounds import Exported, Granularity
from lagmon.exposition.compatibility import REGISTER
from lagmon.exposition.page import Renderer
from lagmon.exposition.text import Form
from lagmon.metrics import REGISTER as METRICS
from lagmon.model import State
from lagmon.report import ClusterReport, Report
from tests.deploy.exported import unknown
from tests.docs.pages import blocks, table, text
from tests.infra.require import need
from tests.lagmon.builders import cycle, group, lags, offsets, part

if TYPE_CHECKING:
    from pathlib import Path

EXPORTER, LAG_EXPORTER, BURROW = PAGES = [
    f"how-to/migrate-from-{name}.md" for name in ("kafka-exporter", "kafka-lag-exporter", "burrow")
]
each_page = pytest.mark.parametrize("page", PAGES)
CODE = re.compile(r"`([^`]+)`")
OLD = re.compile(r"\bkafka_\w+")


def rows(page: str) -> list[list[str]]:
    """Give the cells of every row of every table of *page*, but for heads; a | in code is none."""
    found = []
    for line in text(page).splitlines():
        if line.startswith("| ") and "---" not in line:
            bare = CODE.sub(lambda code: code[0].replace("|", "\0"), line)
            found.append([cell.strip().replace("\0", "|") for cell in bare.strip("|").split("|")])
    return found


def files(page: str) -> dict[str, Any]:
    """Give the YAML files that *page* shows, by their names."""
    found = [block.text for block in blocks(page) if block.language == "yaml"]
    named = [re.match(r"# (\S+)\n", block) for block in found]
    return {
        name[1]: yaml.safe_load(block) for name, block in zip(named, found, strict=True) if name
    }


def queries(page: str) -> list[str]:
    """Give the expressions of lagmon's in the second column of the tables of *page*."""
    codes = [cells[1] for cells in rows(page) if len(cells) > 1]
    found = [code for cell in codes for code in CODE.findall(cell)]
    return [code for code in found if re.search(r"\b(?:lagmon_|kafka_server_)\w+", code)]


@each_page
def test_a_translated_configuration_is_one(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`lagmon check-config` finds the settings of the page good, with the files they name."""
    written = json.dumps(files(page)["lagmon.yml"])
    for name in set(re.findall(r"/(?:run/secrets|etc/lagmon)/[\w.-]+", written)):
        local = tmp_path / name.rpartition("/")[2]
        local.write_text("secret")
        written = written.replace(name, str(local))
    # No certificate is made for it: that the key is known is all that is to be seen.
    written = written.replace('"ssl.ca.location"', '"client.id"')
    (tmp_path / "lagmon.yml").write_text(written)

    code = main(["check-config", str(tmp_path / "lagmon.yml")])

    assert code == 0, capsys.readouterr()


@each_page
def test_a_translated_alert_asks_for_what_is_exported(page: str) -> None:
    """Each of lagmon's expressions names metrics of the registers alone."""
    assert queries(page)
    assert {name for query in queries(page) for name in unknown(query)} == set()


def test_promtool_reads_both_sides(tmp_path: Path) -> None:
    """Every expression of the tables can be asked, theirs and ours, and the rules too."""
    program = need("promtool", "install the Debian package prometheus")
    found = [query for page in PAGES for query in queries(page)]
    found += [
        code
        for page in PAGES
        for cells in rows(page)
        for code in CODE.findall(cells[0])
        if re.search(r" (?:[<>]=?|==) \d", code) or code.startswith("absent(")
    ]
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(found)]
    written: dict[str, Any] = {"queries": {"groups": [{"name": "pages", "rules": rules}]}}
    written["old-names"] = files(LAG_EXPORTER)["old-names.yml"]
    written["test"] = {"rule_files": ["old-names.yml"], "tests": [renamed()]}
    for name, content in written.items():
        (tmp_path / f"{name}.yml").write_text(json.dumps(content))

    checked, tested = (
        subprocess.run(
            [program, *line.split()], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        for line in ("check rules queries.yml old-names.yml", "test rules test.yml")
    )

    assert checked.returncode == 0, checked.stderr
    assert tested.returncode == 0, tested.stdout


def renamed() -> dict[str, Any]:
    """Give promtool a series of lagmon's and the one that is to come of it."""
    labels = 'job="lagmon", kafka_cluster="production", group="settle"'
    return {
        "interval": "1m",
        "input_series": [{"series": f"lagmon_group_lag_messages{{{labels}}}", "values": "7 7"}],
        "promql_expr_test": [
            {
                "expr": "kafka_consumergroup_group_sum_lag",
                "eval_time": "1m",
                "exp_samples": [
                    {
                        "labels": "kafka_consumergroup_group_sum_lag"
                        f'{{cluster_name="production", {labels}}}',
                        "value": 7,
                    }
                ],
            }
        ],
    }


def test_the_names_of_kafka_exporter_are_those_that_lagmon_adds() -> None:
    """The table has each name of the compatibility, and of no other an equal of ours."""
    names = rows_of_names()

    translated = {old for old, new in names.items() if not new.startswith("none")}

    assert translated == {metric.name for metric in REGISTER}


def test_a_value_is_the_same_under_both_names() -> None:
    """What the table says is equal has the same numbers on one page, row by row."""
    seen = cycle(
        lags(group(10, "g", part(0, 7, committed=100), part(1, 3, committed=50))),
        topics=(offsets(0, start=5, high=107), offsets(1, start=6, high=53)),
    )
    report = Report("1", (advance(ClusterReport("c"), seen),))
    exported = Exported(Granularity.PARTITION, kafka_exporter=True)
    page = Renderer(exported).render(report).make(Form()).decode()

    pairs = {old: new for old, new in rows_of_names().items() if re.fullmatch(r"lagmon_\w+", new)}

    assert len(pairs) == len(REGISTER) - 3  # the others are sums and counts of ours
    for old, new in pairs.items():
        assert numbers(page, old) == numbers(page, new) != [], old


def numbers(page: str, name: str) -> list[str]:
    """Give the values of *name* on *page* in the order of their size."""
    return sorted(re.findall(rf"^{name}\{{.*\}} (\S+)$", page, re.MULTILINE))


def rows_of_names() -> dict[str, str]:
    """Give kafka_exporter's names on its page, each with what stands beside it."""
    part_of = text(EXPORTER).partition("\n### Names\n")[2]
    found = re.findall(r"^\| (`kafka_.*?) \| (.*) \|$", part_of, re.MULTILINE)
    return {old: new.strip("`") for olds, new in found for old in CODE.findall(olds)}


def test_every_state_of_lagmon_stands_beside_one_of_burrow() -> None:
    """No state is left out of the table, and none is made up."""
    named = {code for cells in table(BURROW, "1. States")[1:] for code in CODE.findall(cells[1])}

    assert named == {state.value for state in State}


@each_page
def test_a_name_of_lagmon_is_one(page: str) -> None:
    """Every metric of lagmon's that a page names is in its register."""
    named = set(re.findall(r"\blagmon_\w+", text(page)))

    assert named <= {metric.name for metric in METRICS}
