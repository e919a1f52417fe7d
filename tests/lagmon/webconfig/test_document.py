"""What a web configuration file may say, and in which words it is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lagmon.errors import SettingsError
from lagmon.webconfig import live
from tests.infra.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
MADE_UP = {"cert_file": "server.pem", "key_file": "server.key"}


def problems(folder: Path, **content: Any) -> list[str]:
    """Give what is wrong with a file that holds *content*, without the file's name."""
    path = folder / "web.yml"
    path.write_text(yaml.safe_dump(content))
    try:
        live.read(path)
    except SettingsError as error:
        return [one.removeprefix(f"{path}: ") for one in error.problems]
    return []


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a certificate, its key and who signed it."""
    folder = tmp_path_factory.mktemp("certificates")
    Authority(folder).sign("server")
    return folder


def test_an_empty_file_is_a_good_one(tmp_path: Path) -> None:
    """It asks for nothing, as no file does."""
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        ({"cert": "-----BEGIN", **MADE_UP}, "cert: is not read from here; put it into a file"),
        ({"key": "hunter2", **MADE_UP}, "key: is not read from here; put it into a file"),
        ({"cert_file": "server.pem"}, "needs cert_file and key_file"),
        ({**MADE_UP, "client_auth_type": "RequireAnyClientCert"}, "believes any certificate"),
        ({**MADE_UP, "client_auth_type": "RequestClientCert"}, "believes any certificate"),
        ({**MADE_UP, "client_auth_type": "RequireAndVerifyClientCert"}, "client_ca_file goes with"),
        ({**MADE_UP, "client_ca_file": "ca.pem"}, "client_ca_file goes with client_auth_type"),
        ({**MADE_UP, "client_allowed_sans": ["a"]}, "client_allowed_sans needs client_auth_type"),
        ({**MADE_UP, "min_version": "TLS10"}, "min_version: must not be TLS10"),
        ({**MADE_UP, "min_version": "TLS13", "max_version": "TLS12"}, "is above max_version"),
        ({**MADE_UP, "curve_preferences": ["X25519"]}, "curve_preferences: cannot be chosen here"),
        ({**MADE_UP, "certfile": "x"}, "certfile: unknown key"),
        (MADE_UP, "cert_file or key_file: cannot be read: No such file or directory"),
    ],
)
def test_what_would_look_like_protection_is_refused(
    tls: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """A key that lagmon cannot follow is a problem that names it, and no secret."""
    (told,) = problems(tmp_path, tls_server_config=tls)

    assert told.startswith("tls_server_config")
    assert said in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("suites", "said"),
    [
        (["TLS_RSA_WITH_RC4_128_SHA"], "TLS_RSA_WITH_RC4_128_SHA: unknown, or not secure"),
        (["TLS_AES_128_GCM_SHA256"], "has none of TLS 1.2; add one, or set min_version: TLS13"),
    ],
)
def test_a_weak_or_useless_choice_of_suites_is_refused(
    suites: list[str], said: str, tmp_path: Path
) -> None:
    """Suites that Go does not call secure, or that leave TLS 1.2 without any."""
    (told,) = problems(tmp_path, tls_server_config={**MADE_UP, "cipher_suites": suites})

    assert said in told


def test_the_suites_of_the_file_are_those_of_tls_1_2(signed: Path) -> None:
    """Go's names become OpenSSL's, in their order; those of TLS 1.3 stay as they are."""
    suites = ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"]
    path = signed / "suites.yml"
    path.write_text(yaml.safe_dump({"tls_server_config": {**MADE_UP, "cipher_suites": suites}}))

    context = live.read(path).context

    assert context is not None
    offered = [suite["name"] for suite in context.get_ciphers()]
    assert [name for name in offered if not name.startswith("TLS_")] == [
        "ECDHE-ECDSA-CHACHA20-POLY1305"
    ]


def test_a_key_of_another_certificate_is_named(signed: Path) -> None:
    """The two files are told of together, and nothing of what they hold."""
    (told,) = problems(
        signed, tls_server_config={"cert_file": "server.pem", "key_file": "authority.key"}
    )

    assert told.endswith("do not belong together")


def test_files_are_found_beside_the_file_that_names_them(signed: Path) -> None:
    """A relative name begins in the folder of the web configuration file."""
    assert problems(signed, tls_server_config=MADE_UP) == []


@pytest.mark.parametrize(
    ("users", "said"),
    [
        ({"prometheus": "hunter2"}, "basic_auth_users.prometheus: is no bcrypt hash"),
        ({"prometheus": HASH[:-1]}, "basic_auth_users.prometheus: is no bcrypt hash"),
        ({"prometheus": HASH.replace("$10$", "$31$")}, "has a cost that is not from 4 to 15"),
        ({"a:b": HASH}, "basic_auth_users: a name is empty or has a colon"),
        ({"": HASH}, "basic_auth_users: a name is empty or has a colon"),
        ({"ann\t": HASH}, "basic_auth_users: a name has a character that cannot be printed"),
        (
            {"prometheus": HASH.replace("zoubFi", "zozbFi")},
            "basic_auth_users.prometheus: is no bcrypt hash",
        ),
    ],
)
def test_a_user_that_could_never_come_in_is_refused(
    users: dict[str, str], said: str, tmp_path: Path
) -> None:
    """The problem names the user, never what stands behind it."""
    (told,) = problems(tmp_path, basic_auth_users=users)

    assert said in told
    assert "hunter2" not in told
    assert HASH[10:] not in told


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Server": "x"}, "cannot hold 'Server'; there are Content-Security-Policy"),
        ({"X-Frame-Options": "allow"}, "has a X-Frame-Options that is not deny or sameorigin"),
        ({"X-Content-Type-Options": "sniff"}, "has a X-Content-Type-Options that is not nosniff"),
        ({"Content-Security-Policy": "a\r\nSet-Cookie: b"}, "is not one line of visible ASCII"),
    ],
)
def test_a_header_that_is_not_known_is_refused(
    headers: dict[str, str], said: str, tmp_path: Path
) -> None:
    """The headers are those of exporter-toolkit, and none can bring another along."""
    (told,) = problems(tmp_path, http_server_config={"headers": headers})

    assert said in told


def test_what_lagmon_does_not_offer_is_said(tmp_path: Path) -> None:
    """A rate limit would be believed to hold."""
    (told,) = problems(tmp_path, rate_limit={"interval": "1s", "burst": 5})

    assert told.startswith("rate_limit: is not offered")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Three mistakes are three lines."""
    told = problems(tmp_path, tls_server_config={}, basic_auth_users={"a": "b"}, web={})

    assert {re.split(r"[.:]", one)[0] for one in told} == {
        "tls_server_config",
        "basic_auth_users",
        "web",
    }


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """Nothing starts without the protection that it was told to have."""
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        live.read(tmp_path / "web.yml")
