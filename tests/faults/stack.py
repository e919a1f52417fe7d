"""Everything a fault can meet, for real: Kafka, Postgres, the partner, the API and the workers.

Each is a process of its own. The workers reach Kafka and Postgres through proxies, the API and the
watch directly. Rows are played on a stack one after the other; each leaves it healed.
"""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from tests.faults.account import Books, Place
from tests.faults.asking import ends
from tests.faults.cluster import AS_USER, Cluster
from tests.faults.load import Load
from tests.faults.patience import PATIENCE_SECONDS, asked, awaited
from tests.faults.settings import GROUP, LETTER_BYTES, PACE, PARTITIONS, SHORT, TOPIC, Kind, Times
from tests.faults.told import Told
from tests.faults.truth import Truth, answers
from tests.faults.watch import Watch, play_in
from tests.faults.writing import Written, written
from tests.infra import plain_http
from tests.infra.kafka import KafkaBroker
from tests.infra.ports import free_port
from tests.infra.postgres import Postgres
from tests.infra.product import Product, address
from tests.infra.proxy import TcpProxy
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self

    from tests.infra.process import Service

DRAIN_SECONDS = 180
STOP_SECONDS = 60  # a stop takes eight at most; a busy machine takes some away
RATE = 90.0  # plays a second
ROOT = Path(__file__).parent.parent.parent


class Stack:
    """The stack, with `workers` that rows may end and start. A context manager.

    Only the main thread may enter it and start workers.
    """

    def __init__(self, times: Times = SHORT, *, of_cluster: bool = False) -> None:
        self.times, self.of_cluster = times, of_cluster
        self.kind = Kind.GAME
        self.group = GROUP
        self.kafka: KafkaBroker | Cluster
        self._exit = ExitStack()
        self._loads = 0
        self._poison: set[Place] = set()
        self._acknowledged: set[str] = set()
        self._unanswered = 0
        self.workers: list[Service] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def _start(self, stack: ExitStack) -> None:
        self._start_kafka(stack)
        self.kafka.create_topic(TOPIC, PARTITIONS)
        self.kafka.create_topic(f"{TOPIC}.dlq", max_message_bytes=LETTER_BYTES)
        self.postgres = stack.enter_context(Postgres(own=True))
        self.database = self.postgres.create_database()
        at = urlsplit(self.database)
        assert at.port is not None
        self.postgres_proxy = stack.enter_context(TcpProxy(at.hostname or "127.0.0.1", at.port))
        self._start_product(stack)
        servers = self.kafka.bootstrap_servers
        watch = Watch(servers, self.group, TOPIC, PARTITIONS, self.database)
        self.watch = stack.enter_context(watch)
        self.worker()

    def _start_kafka(self, stack: ExitStack) -> None:
        if self.of_cluster:
            self.kafka = stack.enter_context(Cluster())
            self.group = self.kafka.a_group()
            return
        broker = KafkaBroker(own=True, advertised_port=free_port(), settings=self.times.broker())
        self.kafka = stack.enter_context(broker)
        self.kafka_proxy = stack.enter_context(
            TcpProxy("127.0.0.1", broker.inner_port, broker.advertised_port)
        )

    def _start_product(self, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lagmon-faults-")))
        servers, client = self.kafka.bootstrap_servers, self.times.client()
        product = Product(kafka=servers, database=self.database, client=client)
        self._product = stack.enter_context(product)
        fintech, api = free_port(), free_port()
        self.fintech_url, self.api_url = (f"http://127.0.0.1:{port}" for port in (fintech, api))
        self.truth = Truth(self.database, self.fintech_url)
        self._product.environment |= {
            **PACE,
            "CONSUMERS_GROUP": self.group,
            "CONSUMERS_FINTECH_URL": self.fintech_url,
        }
        self._product.migrate()
        self._fintech_settings = {
            "CONSUMERS_PORT": str(fintech),
            "CONSUMERS_FINTECH_LEDGER": str(folder / "ledger"),
        }
        self.start_fintech()
        self.api = self._product.api(CONSUMERS_PORT=str(api), CONSUMERS_LOG_LEVEL="WARNING")
        answers(self.api_url)

    @property
    def proxied_database(self) -> str:
        """The url by which the workers know the database."""
        direct = urlsplit(self.database)
        who = direct.netloc.rpartition("@")[0]
        return urlunsplit(direct._replace(netloc=f"{who}@127.0.0.1:{self.postgres_proxy.port}"))

    @property
    def broker(self) -> KafkaBroker:
        """The only broker, of a stack that has one."""
        assert isinstance(self.kafka, KafkaBroker)
        return self.kafka

    @property
    def cluster(self) -> Cluster:
        """The brokers, of a stack that has several."""
        assert isinstance(self.kafka, Cluster)
        return self.kafka

    # ---- workers

    def worker(self, *, wait: bool = True, times: Times | None = None, **extra: str) -> Service:
        """Start one more worker with *extra* variables; wait until it has partitions."""
        worker = self._new_worker(
            {
                "CONSUMERS_BOOTSTRAP_SERVERS": self.kafka.proxied_servers,
                "CONSUMERS_DATABASE_URL": self.proxied_database,
                "CONSUMERS_CLIENT": json.dumps(self._client(times or self.times)),
                **extra,
            }
        )
        self.workers.append(worker)
        if wait:
            # Those that were killed are waited for: the others hear of it when their session ends.
            patience = PATIENCE_SECONDS + 2 * self.times.session_seconds
            worker.wait_for_log("partitions_assigned", patience)
        return worker

    def _new_worker(self, variables: dict[str, str]) -> Service:
        match self.kind:
            case Kind.GAME:
                return self._product.worker(**variables)
            case Kind.PROTOCOL:
                return self._product.worker(**variables, CONSUMERS_GROUP_PROTOCOL="consumer")
            case kind:
                return self._product.handler(kind.value, folder=ROOT, **variables)

    def _client(self, times: Times) -> dict[str, str]:
        member = {} if self.kind is Kind.PROTOCOL else times.member()
        return times.client() | member | (AS_USER if self.of_cluster else {})

    def one_worker(self) -> Service:
        """Give the only worker; stop those beyond it."""
        if not self.workers:
            self.worker()
        for one in self.workers[1:]:
            assert (code := self.stop(one)) == 0, f"it left with {code}"
        return self.workers[0]

    def two_workers(self) -> tuple[Service, Service]:
        """Give two workers that share the partitions; start what is missing."""
        first, second = self.one_worker(), self.worker()
        self.shared(first, second)
        return first, second

    def shared(self, first: Service, second: Service) -> None:
        """Wait until *first* and *second* have half of the partitions each."""
        awaited(
            lambda: all(
                self.metric(one, "consumers_assigned_partitions") == PARTITIONS / 2
                for one in (first, second)
            ),
            what="half of the partitions at each worker",
        )

    def kill(self, worker: Service) -> None:
        """End *worker* in the middle of what it does."""
        code = worker.kill()
        assert code == -signal.SIGKILL, f"it had ended with {code} before"
        self.workers.remove(worker)

    def stop(self, worker: Service, timeout: float = STOP_SECONDS) -> int:
        """Ask *worker* to end; give its exit code."""
        self.workers.remove(worker)
        return worker.stop(timeout)

    def metric(self, worker: Service, name: str) -> float:
        """Add up the samples of metric *name* that *worker* shows, whatever their labels."""
        page = asked(f"{address(worker)}/metrics").text
        samples = (line.rpartition(" ") for line in page.splitlines() if line.startswith(name))
        return sum(float(value) for _, _, value in samples)

    def partitions(self, worker: Service) -> set[int]:
        """Give the partitions that *worker* has, as of its last look."""
        held = asked(f"{address(worker)}/status").json()["runtime"]["assignment"]
        return {one["partition"] for one in held}

    # ---- the partner

    def start_fintech(self) -> None:
        """Start the partner, on the ledger that it had."""
        self.fintech = self._product.fintech(**self._fintech_settings)
        answers(self.fintech_url)

    def fault(self, mode: str, **more: Any) -> None:
        """Let the partner behave as *mode* says, see ``PUT /faults``."""
        answer = plain_http.put(
            f"{self.fintech_url}/faults", json={"mode": mode, **more}, timeout=PATIENCE_SECONDS
        )
        answer.raise_for_status()

    def hits(self) -> int:
        """Count the requests that the partner's fault has met."""
        return int(asked(f"{self.fintech_url}/faults").json()["hits"])

    def hit(self, number: int) -> None:
        """Wait until the partner's fault has met *number* requests."""
        awaited(lambda: self.hits() >= number, what=f"{number} requests at the partner")

    def repeated(self) -> int:
        """Count the settlements that the partner was asked for again."""
        return len(Told(self.fintech).events("settlement_repeated"))

    # ---- plays

    def ready(self, kind: Kind = Kind.GAME) -> None:
        """See that everything works, and that there is a worker; all are of *kind*."""
        self.fault("none")
        if self.kind is not kind:
            for worker in self.workers[:]:
                assert (code := self.stop(worker)) == 0, f"it left with {code}"
            self.kind = kind
        if not self.workers:
            self.worker()

    def load(self, at_least: int) -> Load:
        """Make the players of one row."""
        self._loads += 1
        return Load(self.api_url, f"row-{self._loads}", at_least=at_least, rate=RATE)

    def note(self, load: Load) -> None:
        """Take over what *load* was told, for the account."""
        assert not load.refused, load.refused[:3]
        self._acknowledged |= load.acknowledged
        self._unanswered += load.unsettled

    def write(self, *records: Written, topic: str = TOPIC) -> list[Place]:
        """Write *records* around the API; give their places, in order, when all are safe."""
        return written(self.kafka.bootstrap_servers, topic, records)

    def poison(self, *records: Written) -> list[Place]:
        """Write *records* that can never be settled, and expect a dead letter of each."""
        places = self.write(*records)
        self._poison.update(places)
        return places

    def refused(self, plays: Collection[str]) -> None:
        """Expect that the records of *plays*, written by anybody, are dead letters."""
        self._poison |= {at for at, play in self.watch.records.copy().items() if play in plays}

    def good(self, *records: Written, topic: str = TOPIC) -> list[str]:
        """Write *records* that hold a play, expect each to be settled, and give their ids."""
        plays = [play for one in records if (play := play_in(one.value))]
        self._acknowledged.update(plays)
        self.write(*records, topic=topic)
        return plays

    def drain(self) -> None:
        """Wait until the group has committed everything that is in the topic."""
        wanted = {at: end for at, end in ends(self.kafka, TOPIC, PARTITIONS).items() if end}

        def committed() -> bool:
            self.watch.check()
            if not all(worker.running for worker in self.workers):
                raise RuntimeError("a worker ended by itself")
            return self.watch.committed == wanted

        try:
            until(committed, timeout=DRAIN_SECONDS, what=f"commits of {wanted}")
        except (TimeoutError, RuntimeError) as error:
            tails = "\n".join(worker.tail() for worker in self.workers)
            raise type(error)(f"{error}; committed were {self.watch.committed}\n{tails}") from error

    def committed_more(self) -> None:
        """Wait for a commit that was not seen yet."""
        moved = self.watch.moved
        awaited(lambda: self.watch.moved > moved, what="a commit")

    def books(self) -> Books:
        """Count everything."""
        return Books(
            acknowledged=frozenset(self._acknowledged),
            unanswered=self._unanswered,
            plays=tuple(self.truth.plays()),
            totals=tuple(self.truth.totals()),
            ledger=tuple(self.truth.ledger()),
            records=dict(self.watch.records),
            committed=dict(self.watch.committed),
            letters=tuple(self.watch.letters),
            poison=frozenset(self._poison),
            passed=tuple(self.watch.passed),
        )
