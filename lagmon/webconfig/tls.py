"""Make of a `TlsServer` what Python serves TLS with, and look at the names in a certificate.

In: a checked document, the folder that its file names begin in. Out: an `ssl.SSLContext`, or a
`ValueError` that names the key, never the content of a file.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lagmon.webconfig.document import TlsServer

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_ASKED = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
# Go's names, which the file uses, of the suites that Go calls secure: OpenSSL's.
_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
# Those of TLS 1.3 are all offered, whatever is listed: so it is with Go, too.
_ALWAYS = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


def context(tls: TlsServer, folder: Path) -> ssl.SSLContext:
    """Give what serves *tls*, its files read now. File names begin in *folder*."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = (
        _VERSIONS[tls.min_version],
        _VERSIONS[tls.max_version],
    )
    made.options |= ssl.OP_NO_RENEGOTIATION
    if not tls.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.cipher_suites:
        _choose(made, tls)
    assert tls.cert_file is not None
    assert tls.key_file is not None
    _load(made, folder / tls.cert_file, folder / tls.key_file)
    made.verify_mode = _ASKED[tls.client_auth_type]
    if tls.client_ca_file is not None:
        _believe(made, folder / tls.client_ca_file)
        # No session outlives the certificate that it began with.
        made.num_tickets = 0
        made.options |= ssl.OP_NO_TICKET
    return made


def files(tls: TlsServer, folder: Path) -> tuple[Path, ...]:
    """Give the files that *tls* names."""
    named = (tls.cert_file, tls.key_file, tls.client_ca_file)
    return tuple(folder / each for each in named if each is not None)


def names(certificate: Mapping[str, object] | None) -> frozenset[str]:
    """Give the subject alternative names of a verified *certificate*, as `ssl` describes it."""
    pairs = (certificate or {}).get("subjectAltName", ())
    assert isinstance(pairs, tuple)
    kinds = {"DNS", "IP Address", "email", "URI"}
    return frozenset(value for kind, value in pairs if kind in kinds)


def _choose(made: ssl.SSLContext, tls: TlsServer) -> None:
    unknown = sorted({*tls.cipher_suites} - {*_SUITES} - _ALWAYS)
    if unknown:
        raise ValueError(f"cipher_suites: {', '.join(unknown)}: unknown, or not secure")
    chosen = [_SUITES[name] for name in tls.cipher_suites if name in _SUITES]
    if not chosen and tls.min_version == "TLS12":
        raise ValueError("cipher_suites: has none of TLS 1.2; add one, or set min_version: TLS13")
    if chosen:
        made.set_ciphers(":".join(chosen))


def _load(made: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # An empty password: a key that has one is refused, where OpenSSL would ask the terminal.
        made.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        why = "do not belong together" if error.reason == "KEY_VALUES_MISMATCH" else _reason(error)
        raise ValueError(f"cert_file and key_file: {certificate} and {key} {why}") from None
    except OSError as error:
        raise ValueError(f"cert_file or key_file: cannot be read: {error.strerror}") from None


def _believe(made: ssl.SSLContext, authority: Path) -> None:
    try:
        made.load_verify_locations(cafile=authority)
    except ssl.SSLError as error:
        raise ValueError(f"client_ca_file: {authority} {_reason(error)}") from None
    except OSError as error:
        raise ValueError(f"client_ca_file: {authority} cannot be read: {error.strerror}") from None


def _reason(error: ssl.SSLError) -> str:
    told = (error.reason or "no PEM").lower().replace("_", " ")
    return f"cannot be used ({told}); a key must have no password"
