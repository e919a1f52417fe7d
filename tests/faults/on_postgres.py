"""Faults of Postgres: gone in mid-transaction or for long, an answer lost, locks, a full disk."""

from __future__ import annotations

import os
import resource
import subprocess
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors, sql

from tests.faults.patience import PATIENCE_SECONDS, awaited
from tests.faults.told import Told
from tests.infra.require import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.load import Load
    from tests.faults.stack import Stack
    from tests.infra.process import Service

FOR_EVER_SECONDS = 3600.0
NO_MORE = 3  # of file descriptors: those of standard input, output and error
NONE_CAME = "PoolTimeout"  # though the server takes any
ROUNDS = 3
LOST_ANSWERS = 5
DISK = "16m"
FILL_BYTES = 1 << 16
LOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND NOT pid = ANY(%s)"
)
SERIALIZABLE = "options=-c%20default_transaction_isolation%3Dserializable"
# Who looks for a deadlock first gives in. A session looks once, so we must be there by then.
FIRST, LATER = "options=-c%20deadlock_timeout%3D3s", "SET deadlock_timeout = '10s'"


def gone_in_transaction(stack: Stack, load: Load) -> str:
    """Kill Postgres while transactions of the worker have written a play and no total."""
    told = Told(stack.one_worker()).here()
    with closing(psycopg.connect(stack.database)) as connection:
        connection.execute("LOCK TABLE player_totals IN EXCLUSIVE MODE")
        held = awaited(lambda: locked(stack), what="transactions in their middle")
        stack.postgres.kill()
    stack.postgres.start()
    waited = awaited(lambda: told.events("dependency_unavailable"), what="records that wait")
    load.more(50)
    return f"{held} transactions died in their middle; {len(waited)} tries waited"


def gone(stack: Stack, load: Load) -> str:
    """Kill Postgres, and start it again much later."""
    told = Told(stack.one_worker()).here()
    stack.postgres.kill()
    load.stall(stack.times.gone_seconds)
    stack.postgres.start()
    waited = awaited(lambda: told.events("dependency_unavailable"), what="records that wait")
    load.more(50)
    assert told.polled()  # partitions may go when a busy machine sends no heartbeat for 3 s
    return f"gone for {stack.times.gone_seconds:g} s; {len(waited)} tries waited, the worker stayed"


def silent(stack: Stack, load: Load) -> str:
    """Let the connections to Postgres stand open, with nothing coming through."""
    told = Told(stack.one_worker()).here()
    stack.postgres_proxy.delay(FOR_EVER_SECONDS)
    load.stall(stack.times.gone_seconds)
    stack.postgres_proxy.delay(0)
    stack.postgres_proxy.cut()
    stack.postgres_proxy.heal()
    waited = awaited(lambda: told.events("dependency_unavailable"), what="records that wait")
    load.more(50)
    assert told.polled()  # partitions may go when a busy machine sends no heartbeat for 3 s
    return f"silent for {stack.times.gone_seconds:g} s, then reset; {len(waited)} tries waited"


def answer_lost(stack: Stack, load: Load) -> str:
    """Lose the answers to COMMIT: the plays are written, and the worker cannot know."""
    told, before = Told(stack.one_worker()).here(), stack.postgres_proxy.lost
    stack.postgres_proxy.lose_answers(b"COMMIT", LOST_ANSWERS)
    awaited(
        lambda: stack.postgres_proxy.lost - before == LOST_ANSWERS,
        what="answers that are lost",
    )
    awaited(lambda: told.events("play_known"), what="a play that was written")
    load.more(50)
    waited = told.events("dependency_unavailable")
    return (
        f"{LOST_ANSWERS} answers lost, {len(waited)} tries waited;"
        f" {len(told.events('play_known'))} plays were found written"
    )


def deadlock(stack: Stack, load: Load) -> str:
    """Lock what the worker's transaction needs next, then want what it has written."""
    worker = _instead(stack, FIRST)
    told = Told(worker)

    def lost() -> list[dict[str, Any]]:
        with suppress(errors.DeadlockDetected):  # we were too late, and gave in
            _deadlock(stack)
        return told.events("record_failed")

    # Each go takes up to 13 s, where the machine is so busy that we come too late.
    failed = awaited(
        lost, timeout=2 * PATIENCE_SECONDS, every=0.5, what="a deadlock that the worker loses"
    )
    kinds = {one["error"]["type"] for one in failed}
    assert any("DeadlockDetected" in kind for kind in kinds), kinds
    load.more(50)
    _instead(stack)
    return f"{len(failed)} tries ended in {', '.join(sorted(kinds))}"


def _deadlock(stack: Stack) -> None:
    """Lock the totals, and then what a transaction has written that waits for them."""
    with closing(psycopg.connect(stack.database)) as ours:
        ours.execute(LATER)
        ours.execute("SELECT * FROM player_totals FOR UPDATE")
        awaited(lambda: locked(stack), every=0.02, what="a transaction behind us")
        for play in stack.truth.unwritten():
            ours.execute(
                "INSERT INTO plays (play_id, player_id, game, bet, symbols, payout, accepted_at)"
                " VALUES (%s, 'nobody', 'sevens', 1, '{}', 0, now())",
                [play],
            )


def serialization_failure(stack: Stack, load: Load) -> str:
    """Let transactions be serializable, and change a total while one is about to."""
    told = Told(_instead(stack, SERIALIZABLE))
    for _ in range(ROUNDS):
        with psycopg.connect(stack.database) as ours:
            ours.execute("UPDATE player_totals SET updated_at = now()")
            awaited(lambda: locked(stack), what="a transaction behind us")
        load.more(20)
    failed = awaited(lambda: told.events("record_failed"), what="tries that failed")
    kinds = {one["error"]["type"] for one in failed}
    assert any("SerializationFailure" in kind for kind in kinds), kinds
    _instead(stack)
    return f"{len(failed)} tries ended in {', '.join(sorted(kinds))}"


def _instead(stack: Stack, options: str = "") -> Service:
    """Put a worker whose sessions have *options* in the place of the one there is."""
    old = stack.one_worker()
    new = stack.worker(CONSUMERS_DATABASE_URL=f"{stack.proxied_database}?{options}")
    assert (code := stack.stop(old)) == 0, f"the old one left with {code}"
    return new


def disk_full(stack: Stack, load: Load) -> str:
    """Move the plays to a small disk and fill it; free it later."""
    told = Told(stack.one_worker()).here()
    with small_disk() as disk, psycopg.connect(stack.database, autocommit=True) as ours:
        place = disk / "postgres"
        place.mkdir()
        own(place, stack)
        ours.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(place))))
        ours.execute("ALTER TABLE plays SET TABLESPACE small")
        filler = disk / "filler"
        fill(filler)
        full = awaited(
            lambda: [
                one
                for one in told.events("dependency_unavailable")
                if "53100" in str(one["error"]["message"])
            ],
            what="a write that finds no room",
        )
        load.stall(1)
        filler.unlink()
        load.more(50)
        ours.execute("ALTER TABLE plays SET TABLESPACE pg_default")
        ours.execute("DROP TABLESPACE small")
    return f"{len(full)} tries met 53100 DiskFull, and waited"


def no_connections(stack: Stack, load: Load) -> str:
    """Take every connection there is, those of the worker too; give them back later."""
    told = Told(stack.one_worker()).here()
    with ExitStack() as taken:
        ours = taken.enter_context(psycopg.connect(stack.database, autocommit=True))

        def full() -> list[dict[str, Any]]:
            ours.execute(END_OTHERS, [[one.info.backend_pid for one in held]])
            with suppress(psycopg.OperationalError):
                while True:
                    held.append(taken.enter_context(psycopg.connect(stack.database)))
            return told.events("dependency_unavailable")

        held = [ours]
        waited = awaited(full, every=0.2, what="a worker without a connection")
        load.stall(2)
    load.more(50)
    return f"{len(held)} connections were taken; {len(waited)} tries found none, and waited"


def no_descriptors(stack: Stack, load: Load) -> str:
    """Let the worker open no file and no socket more, and cut its connections; allow it later."""
    worker = stack.one_worker()
    told = Told(worker).here()
    soft, hard = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (NO_MORE, hard))
    try:
        stack.postgres_proxy.cut()
        stack.postgres_proxy.heal()
        awaited(lambda: _waited(told, NONE_CAME), what="a connection that cannot be made")
        load.stall(2)
    finally:
        resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (soft, hard))
    load.more(50)
    assert not told.events("record_dead_lettered")
    waited = told.events("dependency_unavailable")
    return f"no connection could be made; {len(waited)} tries waited until one could"


def read_only(stack: Stack, load: Load) -> str:
    """Let the server be what a worker meets in a failover: read-only, later ended and promoted."""
    told = Told(stack.one_worker()).here()
    with psycopg.connect(stack.database, autocommit=True) as ours:
        name = sql.Identifier(ours.info.dbname)
        ours.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name)
        )
        ours.execute(END_OTHERS, [[ours.info.backend_pid]])
        awaited(lambda: _waited(told, "25006"), what="a write that is refused")
        load.stall(stack.times.gone_seconds)
        waited = _waited(told, "25006")
        ours.execute("SET default_transaction_read_only = off")
        ours.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
        ours.execute(END_OTHERS, [[ours.info.backend_pid]])
    load.more(50)
    assert not told.events("record_dead_lettered")
    return f"{len(waited)} tries met a server that only reads, and waited until it wrote"


def _waited(told: Told, words: str) -> list[dict[str, Any]]:
    """List the tries that waited because of *words*, such as an SQLSTATE."""
    waited = told.events("dependency_unavailable")
    return [line for line in waited if words in str(line["error"]["message"])]


@contextmanager
def small_disk() -> Iterator[Path]:
    """Give a folder that is a file system of its own and small; raise `Missing` without rights."""
    with TemporaryDirectory(prefix="lagmon-disk-") as folder:
        Path(folder).chmod(0o755)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise Missing("the right to mount a small disk", "run the tests as root")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def own(place: Path, stack: Stack) -> None:
    """Give *place* to the user whom the server runs as."""
    with psycopg.connect(stack.database) as ours:
        data = ours.execute("SHOW data_directory").fetchone()
    assert data
    owner = Path(data[0]).stat()
    os.chown(place, owner.st_uid, owner.st_gid)


def fill(filler: Path) -> None:
    """Write until there is no room left."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(FILL_BYTES))
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))


def locked(stack: Stack) -> int:
    """Count the sessions that wait for a lock."""
    with psycopg.connect(stack.database) as ours:
        found = ours.execute(LOCKED).fetchone()
    return found[0] if found else 0
