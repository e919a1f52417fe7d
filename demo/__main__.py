"""Tell the story: ``python -m demo [--keep]``. The exit code is 0 only if every check held."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from typing import TYPE_CHECKING

from demo import page, trace
from demo.console import Console
from demo.stage import Stage
from tests.infra.product import address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.infra.process import Service


def main() -> int:
    """Run the demo from beginning to end; give the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stage is taken down
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored
    console = Console()

    console.step("Kafka, Postgres, a trace receiver and a pager")
    with Stage() as stage:
        tell(console, stage, keep=arguments.keep)

    verdict = "all held" if not console.failed else f"{len(console.failed)} did not hold"
    console.step(f"{console.passed + len(console.failed)} checks, {verdict}")
    for claim in console.failed:
        console.say(f"✗ {claim}")
    return 1 if console.failed else 0


def tell(console: Console, stage: Stage, *, keep: bool) -> None:
    """Start the services and tell both parts; *keep* waits for Ctrl-C before it ends."""
    places = {
        "Kafka (mock)": stage.kafka.bootstrap_servers,
        "Postgres": stage.database,
        "OTLP receiver": stage.traces.endpoint,
        stage.pager.name: stage.pager.url,
    }
    stage.product.migrate()
    services = {
        "game API": stage.product.api(),
        "fintech": stage.partner(),
        "worker": stage.product.worker(),
        "lagmon": stage.lagmon(),
    }
    places |= {name: address(service) for name, service in services.items()}
    for name, place in places.items():
        console.show(name, place)

    trace.tell(console, stage, services, places)
    services["worker"] = page.tell(
        console, stage, services["worker"], places["game API"], places["lagmon"]
    )
    places["worker"] = address(services["worker"])

    if keep:
        hand_over(console, stage, services, places)
        wait_for_interrupt()
    for name, service in services.items():
        code = service.stop()
        console.check(f"{name} ended with exit code 0 on SIGTERM", holds=code == 0, found=code)


def hand_over(
    console: Console, stage: Stage, services: Mapping[str, Service], places: Mapping[str, str]
) -> None:
    """Say where everything is, also as variables with which commands of one's own reach it."""
    console.step("Everything is still running; Ctrl-C ends it")
    for name, place in places.items():
        console.show(name, place)
    console.step("For a second terminal")
    here = {"API": places["game API"], "LAGMON": places["lagmon"]}
    here |= {"WORKER": str(services["worker"].pid), **stage.product.environment}
    for name, value in here.items():
        console.say(f"export {name}={shlex.quote(value)}")


def wait_for_interrupt() -> None:
    """Wait until the person at the terminal presses Ctrl-C."""
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; everything that was started has been ended")
