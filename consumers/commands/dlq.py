"""``consumers dlq``: list the dead letters of a topic, show one, send them back. No service runs.

``list`` and ``show`` only read, and commit nothing. ``replay`` only reads too, unless ``--yes``.

Exit codes: 0 when it is done; 1 when Kafka could not be asked, there is no such letter, or a letter
could not be replayed, or the output cannot be written, with a line that says why; 130 after Ctrl-C.
A replay then ends with the transaction that is under way; a second Ctrl-C breaks that off, and
Kafka undoes it. That nobody reads the output any more, such as ``head``, changes no exit code.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING

from consumers.commands import dlq_options
from consumers.configuration.loading import load
from consumers.configuration.settings import DeadLetterSettings
from consumers.deadletters import wording
from consumers.deadletters.cluster import unwritable
from consumers.deadletters.letters import letter_of, place_of, replayed_by
from consumers.deadletters.planning import plan
from consumers.deadletters.reading import DeadLetterTopic
from consumers.deadletters.replay import Replayer, make_producer
from consumers.deadletters.selection import Selection
from consumers.deadletters.words import LastWords
from consumers.errors import Fatal
from consumers.kafka.properties import producer_properties

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from consumers.deadletters.letters import Letter, Place
    from consumers.deadletters.planning import Plan
    from consumers.deadletters.reading import Survey

    Act = Callable[[argparse.Namespace, DeadLetterSettings], int]

PLACES_SHOWN = 5
INTERRUPTED = 130  # as a shell says it of SIGINT


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``dlq`` with its own commands to *commands*."""
    acts = {"list": _list, "show": _show, "replay": _replay}
    for name, parser in dlq_options.add(commands).items():
        parser.set_defaults(run=run, act=acts[name])


def run(chosen: argparse.Namespace) -> int:
    """Do what was chosen; give the exit code."""
    settings = load(DeadLetterSettings, chosen.config)
    if chosen.dlq_topic:
        settings = settings.model_copy(update={"dlq_topic": chosen.dlq_topic})
    act: Act = chosen.act
    if sys.stdout is None:  # closed by whoever started us: nobody wants to read
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - until the process ends
    try:
        code = _ended(act, chosen, settings)
        _say("", flush=True)
    except OSError as error:
        _write_nowhere()
        sys.stderr.write(f"consumers dlq: the output cannot be written: {error.strerror}\n")
        return 1
    return code


def _ended(act: Act, chosen: argparse.Namespace, settings: DeadLetterSettings) -> int:
    try:
        return act(chosen, settings)
    except Fatal as error:
        sys.stderr.write(f"consumers dlq: {error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _say(text: str, *, flush: bool = False) -> None:
    """Print *text*, unless whoever read has seen enough: what is done is done to its end."""
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        _write_nowhere()


def _write_nowhere() -> None:
    """Let what is still in the buffer go: Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _list(chosen: argparse.Namespace, settings: DeadLetterSettings) -> int:
    with DeadLetterTopic(settings) as topic:
        survey = topic.survey(dlq_options.selection_of(chosen))
    open_ones = [one for one in survey.letters if one.id not in survey.replayed]
    found = survey.letters if chosen.all else open_ones
    if chosen.json:
        _print_json(found[-(chosen.limit or 0) :], survey.replayed)
        return 0
    shown = found[-(chosen.limit or dlq_options.LIMIT) :]
    if shown:
        _say(wording.table(shown) + "\n")
    notes = [f"{wording.counted(len(found), 'dead letter')} in {settings.dlq_topic}"]
    if len(found) > len(shown):
        notes.append(f"the last {len(shown)} are shown, --limit N shows more")
    if hidden := len(survey.letters) - len(found):
        notes.append(f"{hidden} more had been replayed, --all lists them")
    _say("; ".join(notes) + ".\n")
    return 0


def _show(chosen: argparse.Namespace, settings: DeadLetterSettings) -> int:
    with DeadLetterTopic(settings) as topic:
        message = topic.message(chosen.letter)
        if message is None or replayed_by(message) is not None:
            raise Fatal(f"there is no dead letter {chosen.letter} in {settings.dlq_topic}")
        letter = letter_of(message)
        replayed = letter.id in topic.survey(Selection(since_ms=letter.written_ms)).replayed
    write = wording.as_json_card if chosen.json else wording.card
    text = write(letter, message, replayed=replayed, payload=chosen.payload)
    _say(text + ("\n" if chosen.json else ""))
    return 0


def _replay(chosen: argparse.Namespace, settings: DeadLetterSettings) -> int:
    wanted = dlq_options.selection_of(chosen)
    with DeadLetterTopic(settings) as topic:
        partitions = topic.partitions()
        # Before the notes are read: nobody else adds any from here on.
        producer = make_producer(settings) if chosen.yes else None
        survey = topic.survey(wanted)
        planned = plan(
            survey.letters,
            replayed=survey.replayed,
            topics=partitions,
            dlq_topic=settings.dlq_topic,
            max_replays=chosen.max_replays,
        )
        planned = planned.without(_forbidden(settings, planned.origins()))
        if producer is None:
            if chosen.json:
                _print_replay(survey, planned.reasons(), frozenset())
            else:
                _say_plan(planned)
            return 0
        places = {letter.place for letter in planned.chosen}
        replayer = Replayer(producer, settings.dlq_topic, partitions)
        messages = (one for one in topic.messages(wanted.since_ms) if place_of(one) in places)
        try:
            with _whole_transactions() as interrupted:
                for _ in replayer.replay(takewhile(lambda _: not interrupted(), messages)):
                    pass
        finally:
            if chosen.json:
                _print_replay(survey, planned.reasons(replayer.failures), replayer.done)
            else:
                _say(f"{wording.counted(len(replayer.done), 'dead letter')} replayed.\n")
    failures = [*planned.forbidden, *replayer.failures]
    if not chosen.json:
        _say_left_out([*planned.left_out, *failures])
    return 1 if failures else 0


def _forbidden(settings: DeadLetterSettings, topics: Collection[str]) -> set[str]:
    """Ask which of *topics* may not be written: one refusal in mid-replay would end all of it."""
    return unwritable({**producer_properties(settings), **LastWords().callbacks()}, topics)


@contextmanager
def _whole_transactions() -> Iterator[Callable[[], bool]]:
    """Keep the first Ctrl-C to the end of the block; give what says that there was one."""
    asked = threading.Event()

    def note(*_: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
    if asked.is_set():
        raise KeyboardInterrupt


def _say_plan(planned: Plan) -> None:
    if planned.chosen:
        topics = sorted(planned.origins())
        _say(
            f"{wording.table(planned.chosen)}\n"
            f"Would replay {wording.counted(len(planned.chosen), 'dead letter')} to"
            f" {', '.join(topics)}. Every group that reads there gets them.\n"
        )
    else:
        _say("There is nothing to replay.\n")
    _say_left_out([*planned.left_out, *planned.forbidden])
    if planned.chosen:
        _say("Nothing was written. To do it, run this again with --yes.\n")


def _say_left_out(left_out: Sequence[tuple[Letter, str]]) -> None:
    reasons: dict[str, list[str]] = {}
    for letter, reason in left_out:
        reasons.setdefault(reason, []).append(str(letter.place))
    for reason, places in reasons.items():
        more = "" if len(places) <= PLACES_SHOWN else f" and {len(places) - PLACES_SHOWN} more"
        _say(f"Left out {', '.join(places[:PLACES_SHOWN])}{more}: {reason}.\n")


def _print_json(letters: Sequence[Letter], replayed: frozenset[str] | set[str]) -> None:
    for letter in letters:
        _say(wording.as_json(letter, replayed=letter.id in replayed) + "\n")


def _print_replay(survey: Survey, reasons: Mapping[Place, str], done: AbstractSet[Place]) -> None:
    for letter in survey.letters:
        replayed = letter.id in survey.replayed or letter.place in done
        left_out = reasons.get(letter.place)
        _say(wording.as_json_replay(letter, replayed=replayed, left_out=left_out) + "\n")
