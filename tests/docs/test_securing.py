"""The files of the how-to on securing everything are taken by the programs that they are for."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

import consumers.cli
import lagmon.cli
from tests.docs.pages import blocks, text
from tests.infra.certificates import Authority
from tests.infra.require import need, required

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "how-to/secure-everything.md"
SECRET = "s3cret-word"


@pytest.fixture
def secured(tmp_path: Path) -> Path:
    """Give a folder with the files that the page shows and all that they name."""
    with required():
        authority = Authority(tmp_path, "ca")
    key, certificate = authority.sign("server")
    shown = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    names = set(re.findall(r"(?:/etc/lagmon|/run/secrets)/[\w.-]+", "".join(shown)))
    for name in names:
        local = tmp_path / name.rpartition("/")[2]
        if name.endswith(".pem"):
            local.write_text(authority.certificate.read_text())
        elif "database" in name:
            local.write_text(f"postgresql://game:{SECRET}@postgres:5432/game?sslmode=verify-full")
        else:
            local.write_text(SECRET)
    for each in shown:
        (name,) = re.findall(r"\A# (\S+)\n", each)
        whole = re.sub(r"(?:/etc/lagmon|/run/secrets)/([\w.-]+)", rf"{tmp_path}/\1", each)
        whole = whole.replace("server.pem", str(certificate)).replace("server.key", str(key))
        (tmp_path / name).write_text(whole.replace("SECRET", SECRET))
    return tmp_path


def test_lagmon_takes_its_files(secured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`lagmon check-config` finds nothing, also in the web configuration file that it names."""
    code = lagmon.cli.main(["check-config", str(secured / "lagmon.yml")])

    assert code == 0, capsys.readouterr().err


def test_the_worker_takes_its_file_and_prints_no_secret(
    secured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`consumers check worker` would start with it, and masks the passwords."""
    code = consumers.cli.main(["check", "worker", "--config", str(secured / "consumers.yml")])

    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "[masked]" in printed.out
    assert SECRET not in printed.out


def test_prometheus_and_alertmanager_take_theirs(secured: Path) -> None:
    """Promtool checks the web configuration file that both read."""
    program = need("promtool", "install the Debian package prometheus")

    done = subprocess.run(
        [program, "check", "web-config", str(secured / "web.yml")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_every_door_has_a_part() -> None:
    """The table of doors links the parts of the page, each once and in their order."""
    linked = re.findall(r"\| \[(\d)\]\(#([\w-]+)\) \|", text(PAGE))
    parts = re.findall(r"^## (\d)\. (.+)$", text(PAGE), re.MULTILINE)

    assert [number for number, _ in linked] == [number for number, _ in parts]
    assert [anchor for _, anchor in linked] == [
        f"{number}-{re.sub('[^a-z0-9 -]', '', name.lower()).replace(' ', '-')}"
        for number, name in parts
    ]
