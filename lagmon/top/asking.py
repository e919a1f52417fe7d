"""Ask a lagmon's API, and say in one line why there is no answer.

In: an address from the command line and what its owner wants to see. Out: a `Reading` or a `Whole`
group, or `NoAnswer`. Nothing that is answered leads anywhere: no redirect is followed, no address
in an answer is asked, no proxy of the environment is used, and no credential stands in a message.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode

import httpx

from lagmon.top.cells import visible
from lagmon.top.reading import Clusters, Groups, Incidents, Reading, Refusal, Whole, parsed
from lagmon.web.answers import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from lagmon.notify.access import Access
    from lagmon.top.reading import Part
    from lagmon.top.showing import Key

ANSWER_SECONDS = 10.0
LARGEST = 256_000_000  # bytes; a hundred thousand groups take a part of it

OURS = "it may want a certificate of ours, --cert and --key"

T = TypeVar("T", bound="Part")

# Whoever hangs up is heard of by an end or by a reset: by what was not read yet.
_ENDED = (httpx.RemoteProtocolError, ConnectionResetError, BrokenPipeError)

_STATUS = {
    401: "wants to know who asks: name --user with --password-file, or --token-file",
    403: "does not let you in",
    404: "is no lagmon, or not all of its address: nothing is at {root}",
    503: "cannot answer now",
}


class NoAnswer(Exception):  # noqa: N818 - what a person reads, not a fault of ours
    """Why there is nothing to show: the message is one line, visible, and holds no secret."""


class Asking:
    """One lagmon at *url*; *headers* go with each request beside what *access* shows."""

    def __init__(self, url: str, access: Access, headers: Mapping[str, str]) -> None:
        self.url = url
        shown = access.read()
        sent = {"User-Agent": "lagmon-top", **headers}
        if shown.authorization is not None:
            sent["Authorization"] = shown.authorization
        self._client = httpx.Client(
            headers=sent,
            timeout=ANSWER_SECONDS,
            verify=access.context() or ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
        )
        self._knows_us = shown.authorization is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def clusters(self) -> Clusters:
        """Ask for the clusters: it is little, and tells whether there is anything new."""
        return self._get(Clusters, "/clusters")

    def rest(self, clusters: Clusters) -> Reading:
        """Ask for the groups and incidents of *clusters*."""
        groups, incidents = self._get(Groups, "/groups"), self._get(Incidents, "/incidents")
        return Reading(
            clusters.version, clusters.at, clusters.clusters, groups.groups, incidents.incidents
        )

    def whole(self, key: Key) -> Whole:
        """Ask for all of one group."""
        cluster, name = key
        return self._get(Whole, f"/groups/{quote(name, safe='')}?{urlencode({'cluster': cluster})}")

    def _get(self, kind: type[T], path: str) -> T:
        status, body = self._answer(f"{ROOT}{path}")
        if status != httpx.codes.OK:
            raise NoAnswer(f"{self.url} {self._refused(status, body)}")
        try:
            return parsed(kind, body)
        except ValueError as error:
            raise NoAnswer(f"{self.url} does not answer as lagmon does: {error}") from None

    def _answer(self, path: str) -> tuple[int, bytes]:
        url = httpx.URL(f"{self.url}{path}")
        # The path as it stands: a group may be called "..", which else would lead up.
        raw = f"{httpx.URL(self.url).path.rstrip('/')}{path}".encode("ascii")
        try:
            with self._client.stream("GET", url, extensions={"target": raw}) as response:
                body = bytearray()
                for part in response.iter_bytes():
                    body += part
                    if len(body) > LARGEST:
                        raise NoAnswer(f"{self.url} answers with more than lagmon ever does")
                return response.status_code, bytes(body)
        except httpx.HTTPError as error:
            raise NoAnswer(f"{self.url} {self._unreached(error)}") from None

    def _refused(self, status: int, body: bytes) -> str:
        try:
            told = f": {parsed(Refusal, body).error.message}"
        except ValueError:
            told = ""
        if httpx.codes.is_redirect(status):
            return f"sends us to another address ({status}), which is not followed: give that one"
        if status == httpx.codes.UNAUTHORIZED and self._knows_us:
            return "does not accept the credentials (401)"
        if status == httpx.codes.NOT_FOUND and told:
            return f"says{told}"
        said = _STATUS.get(status, "answers with an error").format(root=ROOT)
        return f"{said} ({status}){told}"

    def _unreached(self, error: httpx.HTTPError) -> str:
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLError):
                return _of_tls(cause)
            if isinstance(cause, ConnectionRefusedError):
                return "refuses the connection: no lagmon listens there"
            if isinstance(cause, socket.gaierror):
                return "has no address: its name is not known"
        if isinstance(error, httpx.TimeoutException):
            return f"did not answer in {ANSWER_SECONDS:.0f} s"
        if any(isinstance(cause, _ENDED) for cause in causes):
            way = "try https://" if self.url.startswith("http:") else OURS
            return f"ends the connection without an answer: {way}"
        return f"is not reached: {visible(str(causes[-1]) or type(error).__name__)}"


def _causes(error: BaseException) -> list[BaseException]:
    """List *error* and what it came from."""
    found: list[BaseException] = []
    each: BaseException | None = error
    while each is not None and each not in found:
        found.append(each)
        each = each.__cause__ or each.__context__
    return found


def _of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = visible(error.verify_message)
        return f"has a certificate that is not believed: {why}; --ca names whom to believe"
    reason = (error.reason or "").lower().replace("_", " ")
    if "wrong version" in reason or "record layer" in reason:
        return "does not speak TLS: try http://"
    if "certificate required" in reason or "handshake failure" in reason:
        return f"does not go on: {OURS}"
    return f"ends the TLS handshake: {visible(reason) or 'no reason given'}"
