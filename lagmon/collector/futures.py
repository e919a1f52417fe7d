"""What futures hold once they have ended: an answer, or a `Failure`. Asks nothing, never waits."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from lagmon.collector.answers import Failure, failure

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

K = TypeVar("K", bound="Hashable")


def gathered(futures: Mapping[K, Future[Any]]) -> Future[dict[K, Any]]:
    """Give one future for all of *futures*, with what each holds: its result, or a `Failure`."""
    whole: Future[dict[K, Any]] = Future()
    left = iter(range(len(futures) - 1, -1, -1))  # taking the next is one step, in any thread

    def ended(_: Future[Any]) -> None:
        if next(left) == 0:
            whole.set_result({key: outcome(future) for key, future in futures.items()})

    for future in futures.values():
        future.add_done_callback(ended)
    return whole


def outcome(future: Future[Any]) -> Any:
    """Give what *future*, which has ended, holds: its result, or a `Failure`."""
    error = future.exception(timeout=0)
    return future.result(timeout=0) if error is None else failure(error)


def is_sound(answer: object) -> bool:
    """Tell whether the client that got *answer*, or each of several gathered, is sound."""
    if isinstance(answer, dict):
        return all(is_sound(one) for one in answer.values())
    return answer.sound if isinstance(answer, Failure) else True


def words(answer: object) -> str:
    """Give the words of the first failure in *answer* that is not sound."""
    if isinstance(answer, dict):
        return next(words(one) for one in answer.values() if not is_sound(one))
    return answer.words if isinstance(answer, Failure) else ""
