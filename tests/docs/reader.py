"""Somebody who follows a page on consumers, step by step, on a real broker.

Files are written, commands typed, and what they print and what the worker logs is compared with the
page. A trace id of the page stands for the same real one wherever it stands.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.docs.pages import HERE, Block, blocks
from tests.infra.product import Product
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.kafka import KafkaBroker
    from tests.infra.process import Service

# Of a line of the log: what is another in each run, and what the page leaves out.
ITS_OWN = {"timestamp", "span_id", "latency_ms"}
LEFT_OUT = {"error"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
TRACE_ID = re.compile(r"[0-9a-f]{32}")


class Reader:
    """Somebody who follows a page in *folder*, which reads *topic* as *group*.

    Where the page supposes something, such as a database, *there* has what is there.
    """

    def __init__(
        self, product: Product, folder: Path, *, topic: str, group: str, there: dict[str, str]
    ) -> None:
        self._product, self._folder = product, folder
        self._topic, self._names = topic, rf"\b({topic}|{group})\b"
        self._there = {HERE: product.kafka, **there}
        self._suffix = f"-{uuid.uuid4().hex[:8]}"
        self._worker: Service | None = None
        self._printed: str | None = None
        self._read = 0
        self._traces: dict[str, str] = {}

    def does(self, block: Block) -> None:
        """Do what *block* shows, or compare it with what happened."""
        match block.language:
            case "python" | "yaml":
                (name,) = re.findall(r"\A# (\S+)\n", block.text)
                (self._folder / name).write_text(self._real(block.text))
            case "sh":
                assert not self._printed, f"the page does not show {self._printed!r}"
                for line in block.text.splitlines():
                    self._types(line)
            case "text":
                assert self._shown(self._printed or "") == self._told(block.text, self._printed)
                self._printed = None
            case "json":
                for line in block.text.splitlines():
                    self._hears(json.loads(line))
            case other:
                raise AssertionError(f"nobody knows what to do with {other}")

    def stops(self) -> None:
        """Press Ctrl-C where the worker runs."""
        assert self._worker
        assert self._worker.stop(60, by=signal.SIGINT) == 0, self._worker.tail()

    def clean(self, kafka: KafkaBroker) -> None:
        """Take away the topics that were made."""
        for topic in (self._topic, f"{self._topic}.dlq"):
            kafka.delete_topic(self._real(topic))

    def _types(self, line: str) -> None:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self._product.environment[name] = value
            return
        name, *arguments = shlex.split(line)
        if arguments[0] == "run":
            if self._worker:
                self.stops()
            self._worker = self._product.handler(*arguments[1:], folder=self._folder)
            self._read = 0
            return
        if name == "consumers":
            done = self._product.run(name, *arguments, cwd=self._folder)
        else:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=self._folder,
                env={"PYTHONPATH": ".", "OTEL_TRACES_EXPORTER": "none"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        self._printed = done.stdout

    def _hears(self, shown: dict[str, Any]) -> None:
        """Wait for the line of the worker's log that the page shows next."""
        assert self._worker
        worker = self._worker

        def next_line() -> dict[str, Any] | None:
            for number, line in enumerate(worker.logs()):
                if number >= self._read and line["event"] == shown["event"]:
                    self._read = number + 1
                    return line
            return None

        line = until(next_line, timeout=120, what=f"{shown['event']}\n{worker.tail()}")
        kept = {name: line[name] for name in line if name not in LEFT_OUT}
        real = json.loads(self._shown(json.dumps(kept)))
        page = json.loads(self._told(json.dumps(shown), json.dumps(kept)))
        assert list(real) == list(page)
        for name in real.keys() - ITS_OWN:
            assert real[name] == page[name], name

    def _real(self, text: str) -> str:
        """Give a *text* of the page with this test's broker, topic and group."""
        for supposed, real in self._there.items():
            text = text.replace(supposed, real)
        return re.sub(self._names, rf"\g<1>{self._suffix}", text)

    def _shown(self, printed: str) -> str:
        """Give what was *printed* as the page would: its names, columns one space apart."""
        printed = printed.replace(self._suffix, "")
        return re.sub(r" +", " ", re.sub(TIME, "<time>", printed))

    def _told(self, text: str, printed: str | None) -> str:
        """Give a *text* of the page with real trace ids, those that were *printed* where new."""
        for page, real in zip(
            TRACE_ID.findall(text), TRACE_ID.findall(printed or ""), strict=False
        ):
            self._traces.setdefault(page, real)
        text = TRACE_ID.sub(lambda found: self._traces[found[0]], text)
        return re.sub(r" +", " ", re.sub(TIME, "<time>", text))


@contextmanager
def following(
    page: str,
    kafka: KafkaBroker,
    folder: Path,
    *,
    topic: str,
    group: str,
    there: dict[str, str] | None = None,
) -> Iterator[tuple[Reader, list[Block]]]:
    """Give a `Reader` of *page* and its blocks; its worker is stopped, its topics are cleaned."""
    with Product(kafka=kafka.bootstrap_servers) as product:
        for name in [name for name in product.environment if name.startswith("CONSUMERS_")]:
            if name != "CONSUMERS_PORT":
                del product.environment[name]  # the page's settings file says it all
        reader = Reader(product, folder, topic=topic, group=group, there=there or {})
        yield reader, blocks(page)
        reader.stops()
    reader.clean(kafka)
