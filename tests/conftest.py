"""Fixtures that hand out real components, and a session in which no error is swallowed.

A component that the machine lacks is a skip that says what to install, with ``CI=true`` a failure.
Session components are shared: a test names its topics, groups and databases afresh and leaves the
component running; what it wants to stop or kill it takes from an ``own_`` fixture.
"""

from __future__ import annotations

import logging
import os
import re
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar
from uuid import uuid4

import confluent_kafka
import pytest
from hypothesis import HealthCheck, settings

from tests.infra import kafka as kafka_component
from tests.infra import postgres as postgres_component
from tests.infra.alertmanager import Alertmanager, WebhookReceiver
from tests.infra.kafka import KafkaBroker
from tests.infra.mock_kafka import MockKafka
from tests.infra.otlp import OtlpReceiver
from tests.infra.ports import free_port
from tests.infra.postgres import Postgres
from tests.infra.proxy import TcpProxy
from tests.infra.require import required

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

T = TypeVar("T")

FAULTS = Path(__file__).parent / "faults"
HERE, PROXIED_NOT = "127.0.0.1,localhost", ("no_proxy", "NO_PROXY")
OURS = ("CONSUMERS_", "LAGMON_", "OTEL_")  # settings that must not come from whoever runs the tests

# Nobody kills the session's broker: one that its controller has not heard of, 9 s by default, has
# stood still with the whole machine, and would have no leaders and take no topics for a while.
NEVER_AWAY = {"broker.session.timeout.ms": "60000"}

# Whether an example is slow depends on what else the machine does, and is no property of the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


class ProxyFactory(Protocol):
    """Start a TcpProxy that ends with the test."""

    def __call__(self, target_host: str, target_port: int, port: int | None = None) -> TcpProxy:
        """Lead *port*, or any free one, to *target_host* and *target_port*."""


def pytest_configure() -> None:
    """Take back what the shell has set for all that tests start.

    Ctrl-C ends it, also where the tests were put behind and have it ignored. No proxy is asked for
    what listens on this machine.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    spared = [os.environ[name] for name in PROXIED_NOT if os.environ.get(name)]
    os.environ.update(dict.fromkeys(PROXIED_NOT, ",".join([*spared, HERE])))


def pytest_report_header() -> list[str]:
    """Name what the tests will meet; starts nothing."""
    return [
        f"Kafka: {kafka_component.described()}; mock: librdkafka {confluent_kafka.libversion()[0]}",
        f"PostgreSQL: {postgres_component.described()}",
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the fault matrix: one file, which takes longest and mostly waits."""
    items.sort(key=lambda item: FAULTS not in item.path.parents)


def running(component: AbstractContextManager[T]) -> Iterator[T]:
    """Start *component* for a fixture, or skip; end it after the tests."""
    with ExitStack() as stack:
        with required():
            started = stack.enter_context(component)
        yield started


@pytest.fixture(autouse=True)
def no_outer_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide this shell's settings of our services."""
    for name in os.environ:
        if name.startswith(OURS):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_swallowed_errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where Python would only print: a log line that cannot be written, a lost task.

    ``filterwarnings = error`` does the same for threads and for destructors.
    """
    lost: list[str] = []

    class Collect(logging.Handler):
        """Keep what asyncio complains about."""

        def emit(self, record: logging.LogRecord) -> None:
            lost.append(self.format(record))

    def fail(_: logging.Handler, record: logging.LogRecord) -> NoReturn:
        raise AssertionError(f"a log line could not be written: {record.msg!r} {record.args!r}")

    monkeypatch.setattr(logging.Handler, "handleError", fail)
    asyncio_logger, collect = logging.getLogger("asyncio"), Collect(logging.ERROR)
    asyncio_logger.addHandler(collect)
    yield
    asyncio_logger.removeHandler(collect)
    assert not lost, "\n".join(lost)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """Give a real broker, shared by the session."""
    broker = KafkaBroker(advertised_port=free_port(), settings=NEVER_AWAY)
    yield from running(broker)


@pytest.fixture
def topic(kafka: KafkaBroker, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the name of a new topic with one partition on `kafka`."""
    name = fresh_name(request)
    kafka.create_topic(name)
    yield name
    kafka.delete_topic(name)


@pytest.fixture
def own_kafka() -> Iterator[KafkaBroker]:
    """Give a broker of the test's own, which it may stop and kill."""
    yield from running(KafkaBroker(own=True, advertised_port=free_port()))


@pytest.fixture
def kafka_proxy(kafka: KafkaBroker) -> Iterator[TcpProxy]:
    """Stand before `kafka`: clients use ``kafka.proxied_servers``, the test cuts and delays."""
    with required():
        proxy = TcpProxy("127.0.0.1", kafka.inner_port, kafka.advertised_port)
    yield from running(proxy)


@pytest.fixture(scope="session")
def mock_kafka() -> Iterator[MockKafka]:
    """Give librdkafka's mock cluster, shared by the session."""
    yield from running(MockKafka())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give a real server, shared by the session."""
    yield from running(Postgres())


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """Give a server of the test's own, which it may stop and kill."""
    yield from running(Postgres(own=True))


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """Give the url of an empty database on `postgres`."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture
def webhook() -> Iterator[WebhookReceiver]:
    """Give a receiver of Alertmanager's notifications."""
    yield from running(WebhookReceiver())


@pytest.fixture
def alertmanager(webhook: WebhookReceiver) -> Iterator[Alertmanager]:
    """Give a new Alertmanager that notifies `webhook`."""
    yield from running(Alertmanager(webhook_url=webhook.url))


@pytest.fixture
def otlp() -> Iterator[OtlpReceiver]:
    """Give a new receiver of spans."""
    yield from running(OtlpReceiver())


@pytest.fixture
def proxy() -> Iterator[ProxyFactory]:
    """Give a function that starts a TcpProxy."""
    with ExitStack() as stack:

        def start(target_host: str, target_port: int, port: int | None = None) -> TcpProxy:
            return stack.enter_context(TcpProxy(target_host, target_port, port))

        yield start


def fresh_name(request: pytest.FixtureRequest) -> str:
    """Give a name that says which test it is of, and that no other run has."""
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{test[:80]}-{uuid4().hex[:8]}"
