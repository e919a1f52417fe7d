"""``lagmon top`` as a command: whom it asks and how, what it prints, and what it says is wrong."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, NamedTuple

import bcrypt
import pytest

from lagmon import cli
from lagmon.board import Board
from lagmon.notify.access import Access
from lagmon.top.asking import Asking
from lagmon.webconfig.live import LiveWebConfig
from tests.infra.certificates import Authority
from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.ports import free_port
from tests.lagmon.builders import CLUSTER, cycle, group, lags
from tests.lagmon.test_hostile_names import ODD
from tests.lagmon.web.stories import night, shown

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cret-of-ada"
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key%s}\n"
MUTUAL = ", client_ca_file: authority.pem, client_auth_type: RequireAndVerifyClientCert"


class Said(NamedTuple):
    """What a run came to."""

    code: object
    out: str
    err: str


class Top:
    """Runs ``lagmon top --once``; *folder* has a password."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder
        self.password = folder / "password"
        self.password.write_text(f"{SECRET}\n")

    def __call__(self, *arguments: str) -> Said:
        """Run with *arguments*."""
        try:
            code: object = cli.main(["top", "--once", *arguments])
        except SystemExit as ended:  # argparse ends by itself
            code = ended.code
        printed = self._capsys.readouterr()
        return Said(code, printed.out, printed.err)

    def live(self, text: str) -> LiveWebConfig:
        """Give a web configuration, with certificates beside it."""
        Authority(self.folder).sign("server")
        path = self.folder / "web.yml"
        path.write_text(text)
        return LiveWebConfig(path)


@pytest.fixture
def top(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Top:
    """Give a way to run the command."""
    return Top(capsys, tmp_path)


def refused(said: Said) -> str:
    """Give the reason: one line, the code 1, and nothing printed."""
    assert (said.code, said.out) == (1, "")
    (line,) = said.err.splitlines()
    assert line.startswith("lagmon: ")
    return line


def test_the_table_is_printed(top: Top) -> None:
    """Once, the worst first, with a verdict, for a pipe."""
    with shown(night(hostile=False)) as page:
        said = top(page.url)

    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[1].split() == [
        "P1", "game-consumer", "blocked", "3,140", "10m", "10s", "+12/s", "2", "KafkaConsumerLag",
    ]  # fmt: skip
    assert lines[-1] == "1 incident open: game-consumer"


def test_a_choice_is_made_by_options(top: Top) -> None:
    """The same as by keys."""
    with shown(night()) as page:
        found = [
            top(page.url, *options).out.split()
            for options in (
                ["--search", "mail"],
                ["--show", "incidents"],
                ["--sort", "name", "--show", "attention"],
                ["--cluster", "elsewhere"],
            )
        ]

    assert ["mail-sender" in words for words in found] == [True, False, False, False]
    assert ["ledger-export" in words for words in found] == [False, False, True, False]


def test_an_address_needs_no_scheme_and_may_have_a_path(top: Top) -> None:
    """As behind a proxy: what is asked for lies below it."""
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return Response(404, b"nothing")

    with Endpoint(answer) as proxy:
        top(f"{proxy.address.removeprefix('http://')}/behind/")

    assert asked == ["/behind/api/v1/clusters"]


def test_tls_by_an_authority_of_ones_own(top: Top) -> None:
    """It is believed when it is named, and else the way out is said."""
    with shown(night(), live=top.live(TLS % "")) as page:
        assert top(page.url, "--ca", str(top.folder / "authority.pem")).code == 0

        line = refused(top(page.url))
        assert "has a certificate that is not believed" in line
        assert "--ca" in line
        assert "try https://" in refused(top(page.url.replace("https", "http")))


def test_tls_where_there_is_none(top: Top) -> None:
    """Another word in the address is all that is needed."""
    with shown(night()) as page:
        assert "does not speak TLS: try http://" in refused(top(page.url.replace("http", "https")))


def test_a_certificate_of_ours(top: Top) -> None:
    """It is shown when it is named, and asked for when it is not."""
    with shown(night(), live=top.live(TLS % MUTUAL)) as page:
        believed = ["--ca", str(top.folder / "authority.pem")]
        ours = [
            f"--{kind}={top.folder / 'server'}.{end}"
            for kind, end in (("cert", "pem"), ("key", "key"))
        ]

        assert top(page.url, *believed, *ours).code == 0
        assert "a certificate of ours, --cert and --key" in refused(top(page.url, *believed))


def test_a_password(top: Top) -> None:
    """It is read from a file, asked for where it is missing, and never said."""
    users = json.dumps({"ada": bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)).decode()})
    with shown(night(), live=top.live(f"basic_auth_users: {users}\n")) as page:
        credentials = ["--user", "ada", "--password-file", str(top.password)]
        assert top(page.url, *credentials).code == 0
        assert "--password-file" in refused(top(page.url))

        top.password.write_text("wrong-of-ada")
        line = refused(top(page.url, *credentials))
        assert "does not accept the credentials (401)" in line
        assert "wrong-of-ada" not in line


def test_a_token_and_headers_are_sent(top: Top) -> None:
    """To whom was named, and to nobody else."""
    seen: list[tuple[str | None, str | None]] = []

    def answer(request: Request) -> Response:
        seen.append((request.headers.get("authorization"), request.headers.get("x-tenant")))
        return Response(403)

    with Endpoint(answer) as proxy:
        line = refused(
            top(proxy.address, "--token-file", str(top.password), "--header", "X-Tenant: blue")
        )

    assert seen == [(f"Bearer {SECRET}", "blue")]
    assert "does not let you in (403)" in line
    assert SECRET not in line


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Response(200, b"<html>hello"), "does not answer as lagmon does: Invalid JSON"),
        (Response(200, b"{}"), "does not answer as lagmon does: version: Field required"),
        (Response(200, b"[" * 100_000), "does not answer as lagmon does"),
        (Response(404, b"nothing"), "is no lagmon, or not all of its address"),
        (Response(302), "sends us to another address (302), which is not followed"),
        (Response(500), "answers with an error (500)"),
        (
            Response(503, b'{"error": {"code": "x", "message": "\\u001b[2Jsleeping"}}'),
            "cannot answer now (503): \ufffd[2Jsleeping",
        ),
    ],
)
def test_whoever_is_no_lagmon_is_told_by_one_line(top: Top, answer: Response, said: str) -> None:
    """What it is instead, as far as that can be told, harmlessly."""
    with Endpoint(lambda _: answer) as other:
        line = refused(top(other.address))

    assert said in line
    assert line.isprintable()


def test_nobody_there(top: Top) -> None:
    """The address is in the line: it may be the wrong one."""
    port = free_port()

    assert f":{port} refuses the connection: no lagmon listens there" in refused(
        top(f"127.0.0.1:{port}")
    )
    assert "has no address: its name is not known" in refused(top("http://nobody.invalid:1"))


def test_somebody_who_only_listens(top: Top) -> None:
    """A connection that ends without an answer is not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        address = listener.getsockname()
        with Endpoint(lambda _: Response(200, b"")) as other:
            assert "Invalid JSON" in refused(top(other.address))
    assert "refuses the connection" in refused(top(f"{address[0]}:{address[1]}"))


def test_a_connection_that_is_reset_has_just_ended(top: Top) -> None:
    """Which of the two it is hangs on how much of a question was read before the refusal."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            came, _ = listener.accept()
            came.recv(1)
            came.close()  # with what is left unread, which makes it a reset

        refusing = threading.Thread(target=refuse)
        refusing.start()
        line = refused(top(f"http://127.0.0.1:{listener.getsockname()[1]}"))
        refusing.join()

    assert "ends the connection without an answer: try https://" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["http://ada:s3cret-of-ada@h:1"], "must hold no credentials"),
        (["http://h:1/?a=b"], "without ? and #"),
        (["ftp://h"], "is no address"),
        (["--header", "a b: c"], "is written NAME: VALUE"),
        (["--header", "a: b\r\nc: d"], "is written NAME: VALUE"),
        (["--every", "nan"], "from 0.1 to 3600"),
        (["--user", "ada"], "--user goes with --password-file"),
        (["--key", "x"], "--key goes with --cert"),
        (["--token-file", "/nowhere/token"], "/nowhere/token: cannot be read"),
        (["--ca", "/nowhere/ca"], "/nowhere/ca"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_said(
    top: Top, arguments: list[str], said: str
) -> None:
    """Nobody is asked anything, and no secret of it is repeated."""
    result = top(*arguments)

    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert SECRET not in result.err


def test_without_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    """The way out is said."""
    with shown(night()) as page:
        assert cli.main(["top", page.url]) == 2

    assert capsys.readouterr().err == (
        "lagmon: standard input and output are no terminal; --once prints the table\n"
    )


@pytest.mark.parametrize("name", [*ODD, "..", ".", " ", "a/../b", "?", "#"])
def test_a_group_of_any_name_is_found(name: str) -> None:
    """Its address is made of its name, and leads nowhere else."""
    board = Board("1.0", [CLUSTER])
    board.put(cycle(lags(group(7, name), group(3, "other"))))

    with shown(board) as page, Asking(page.url, Access(), {}) as asking:
        (mine,) = [each for each in asking.rest(asking.clusters()).groups if each.lag == 7]
        whole = asking.whole((mine.cluster, mine.group))

    assert (whole.lag, whole.group) == (7, mine.group)
