"""Ways into handlers, threads, executors and tasks, and that nothing leaks out of them."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, Message
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import StatusCode

from propagation import Options, TopicPolicy, bound, context_of, processing, traced_handler
from propagation.testing import message
from tests.propagation.builders import SPAN_ID, TRACE_ID, TRACEPARENT, ids

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    Spans = list[ReadableSpan]

REMOTE = (TRACE_ID, SPAN_ID)
NOWHERE = (0, 0)
tracer = trace.get_tracer("test")
request_id: ContextVar[str] = ContextVar("request_id", default="none")


@pytest.fixture(autouse=True)
def nothing_current() -> Iterator[None]:
    """Begin and end every test without a current span."""
    token = attach(Context())
    yield
    detach(token)


def came(topic: str = "plays") -> Message:
    """Build a message that carries a trace."""
    return message(topic=topic, value=b"{}", headers=[("traceparent", TRACEPARENT)])


def current() -> tuple[int, int]:
    """Tell which span is current."""
    return ids(trace.get_current_span().get_span_context())


def test_a_handler_runs_in_the_scope_of_its_message(spans: Spans) -> None:
    """Its result comes back, its name and docstring stay."""

    @traced_handler
    def settle(record: Message, *, bonus: int) -> tuple[Any, int, int]:
        """Settle."""
        return record.topic(), bonus, current()[0]

    assert settle(came(), bonus=7) == ("plays", 7, TRACE_ID)
    assert [span.name for span in spans] == ["process plays"]
    assert current() == NOWHERE
    assert (settle.__name__, settle.__doc__) == ("settle", "Settle.")


def test_the_message_is_found_wherever_it_stands(spans: Spans) -> None:
    """A method's comes after *self*, and it may be named."""

    class Game:
        @traced_handler
        def settle(self, record: Message) -> int:
            assert record
            return current()[0]

    @traced_handler
    def store(table: str, *, record: Message) -> int:
        assert record
        assert table
        return current()[0]

    assert Game().settle(came()) == TRACE_ID
    assert store("plays", record=came()) == TRACE_ID
    assert len(spans) == 2


def test_a_handler_without_a_message_is_told_so(spans: Spans) -> None:
    """There is no scope to open; an error of the client is no message to handle either."""

    @traced_handler
    def handler(_: object) -> None: ...

    with pytest.raises(TypeError, match="without a message"):
        handler("plays")
    with pytest.raises(ValueError, match="error of the client"):
        handler(Message(topic="plays", error=KafkaError(KafkaError._PARTITION_EOF)))

    assert spans == []


def test_a_handlers_options_hold_for_its_messages(spans: Spans) -> None:
    """As they would for ``processing``."""

    @traced_handler(options=Options((TopicPolicy(relation="none"),)))
    def settle(record: Message) -> None:
        assert record

    settle(came())

    assert spans[0].parent is None


def test_a_handlers_exception_passes_and_is_recorded(spans: Spans) -> None:
    """The very object comes out of functions and coroutines."""
    error = LookupError("no such player")

    @traced_handler
    def fails(_: Message) -> None:
        raise error

    @traced_handler
    async def fails_later(_: Message) -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(LookupError) as caught:
        fails(came())
    with pytest.raises(LookupError) as caught_later:
        asyncio.run(fails_later(came()))

    assert caught.value is caught_later.value is error
    assert [span.status.status_code for span in spans] == [StatusCode.ERROR] * 2


def test_coroutine_handlers_do_not_mix(spans: Spans) -> None:
    """Each has its own message current across its awaits; callable objects and partials count."""

    async def handle(number: int, record: Message) -> int:
        for _ in range(number):
            await asyncio.sleep(0)
        assert record
        return current()[1]

    class Handler:
        async def __call__(self, record: Message) -> int:
            return await handle(1, record)

    handlers = [traced_handler(partial(handle, n)) for n in range(3)] + [traced_handler(Handler())]

    async def main() -> list[int]:
        return await asyncio.gather(*(one(came()) for one in handlers))

    got = asyncio.run(main())

    assert sorted(got) == sorted(span.context.span_id for span in spans)
    assert len(set(got)) == 4


def test_a_generator_handler_leaks_nothing_over_its_yields(spans: Spans) -> None:
    """Inside the message is current, at the caller's what was; one span from first to last step."""

    @traced_handler
    def replies(_: Message) -> Iterator[int]:
        yield current()[0]
        with tracer.start_as_current_span("lookup"):
            yield current()[0]
        yield current()[0]

    with tracer.start_as_current_span("caller"):
        before = current()
        for trace_id in replies(came()):
            assert trace_id == TRACE_ID
            assert current() == before

    assert [span.name for span in spans] == ["lookup", "process plays", "caller"]


def test_a_generator_handler_is_the_generator(spans: Spans) -> None:
    """What is sent, thrown and returned passes in both directions."""

    @traced_handler
    def dialogue(_: Message) -> Any:
        got = yield "first"
        try:
            yield got
        except KeyError:
            assert current()[0] == TRACE_ID
            yield "caught"
        return "last"

    talk = dialogue(came())

    assert next(talk) == "first"
    assert talk.send("sent") == "sent"
    assert talk.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as end:
        next(talk)
    assert end.value.value == "last"
    assert spans[0].status.status_code is StatusCode.UNSET


def test_a_generator_handler_that_is_dropped_ends_its_span(spans: Spans) -> None:
    """Neither closing nor the garbage collector touches what is current by then."""

    @traced_handler
    def replies(_: Message) -> Generator[int]:
        try:
            yield 1
        finally:
            assert current()[0] == TRACE_ID

    closed, dropped = replies(came()), replies(came())
    next(closed)
    next(dropped)
    with tracer.start_as_current_span("later"):
        before = current()
        closed.close()
        del dropped
        gc.collect()
        assert current() == before

    assert [span.name for span in spans] == ["process plays", "process plays", "later"]


def test_a_task_of_a_generator_handler_keeps_the_trace(spans: Spans) -> None:
    """The generator is over, the task it began is not: scopes in it give the trace back to it."""

    @traced_handler
    def begin(_: Message) -> Generator[asyncio.Task[tuple[int, int]]]:
        yield asyncio.create_task(later())

    async def later() -> tuple[int, int]:
        await asyncio.sleep(0)
        with processing(message()):
            pass
        return current()

    async def main() -> tuple[int, int]:
        [task] = begin(came())
        return await task

    left = asyncio.run(main())

    began = next(span for span in spans if span.name == "process plays")
    assert left == ids(began.context)


def test_a_generator_handlers_exception_passes_and_is_recorded(spans: Spans) -> None:
    """At whichever step it comes."""
    error = LookupError("no such player")

    @traced_handler
    def replies(_: Message) -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(LookupError) as caught:
        list(replies(came()))

    assert caught.value is error
    assert spans[0].status.status_code is StatusCode.ERROR
    assert current() == NOWHERE


def test_an_asynchronous_generator_handler_leaks_nothing(spans: Spans) -> None:
    """The same over ``async for``, closing and failing included."""
    error = LookupError("no such player")

    @traced_handler
    async def replies(_: Message, fail: BaseException | None = None) -> AsyncIterator[int]:
        yield current()[0]
        await asyncio.sleep(0)
        if fail:
            raise fail
        yield current()[0]

    async def main() -> None:
        async for trace_id in replies(came()):
            assert trace_id == TRACE_ID
            assert current() == NOWHERE
        with pytest.raises(LookupError) as caught:
            async for _ in replies(came(), error):
                pass
        assert caught.value is error
        left: Any = replies(came())
        await anext(left)
        await left.aclose()
        talk: Any = replies(came())
        await anext(talk)
        with pytest.raises(KeyError):
            await talk.athrow(KeyError())
        assert current() == NOWHERE

    asyncio.run(main())

    failed = [span.status.status_code is StatusCode.ERROR for span in spans]
    assert failed == [False, True, False, True]


def test_a_scope_around_a_yield_ends_with_its_generator(spans: Spans) -> None:
    """A plain ``with`` in a generator is current for its caller until it ends, and no longer."""

    def messages() -> Generator[Message]:
        record = came()
        with processing(record):
            yield record

    for _ in messages():
        assert current()[0] == TRACE_ID
    assert current() == NOWHERE

    abandoned = messages()
    next(abandoned)
    with tracer.start_as_current_span("later"):
        before = current()
        abandoned.close()
        assert current() == before

    assert [span.name for span in spans] == ["process plays", "process plays", "later"]


def run_in_thread(function: Callable[[], Any]) -> Any:
    """Run *function* in a new thread and give what it returned."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(function()))
    thread.start()
    thread.join()
    return got[0]


def run_in_pool(function: Callable[[], Any]) -> Any:
    """Run *function* in an executor."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def run_in_loops_executor(function: Callable[[], Any]) -> Any:
    """Run *function* in the executor of an event loop."""

    async def main() -> Any:
        return await asyncio.get_running_loop().run_in_executor(None, function)

    return asyncio.run(main())


@pytest.mark.parametrize("run", [run_in_thread, run_in_pool, run_in_loops_executor])
def test_a_bound_function_takes_the_context_along(run: Callable[..., Any]) -> None:
    """Without it a thread begins with none; with it all context variables are there."""
    request_id.set("r1")

    with processing(came()) as span:
        inside = ids(span.get_span_context())
        assert run(current) == NOWHERE
        assert run(bound(current)) == inside
        assert run(bound(request_id.get)) == "r1"
        captured = bound(current)

    assert run(captured) == inside
    assert current() == NOWHERE


def test_a_bound_function_leaves_its_thread_as_it_was() -> None:
    """The next job of a pool's thread finds nothing of it."""
    with ThreadPoolExecutor(1) as pool, processing(came()):
        pool.submit(bound(request_id.set), "left").result()
        assert pool.submit(request_id.get).result() == "none"
        assert pool.submit(current).result() == NOWHERE


def test_a_bound_function_runs_in_several_threads_at_once() -> None:
    """Arguments and results pass; nobody waits for another's context."""
    both = threading.Barrier(2, timeout=60)

    def meet(number: int, *, add: int) -> tuple[int, int]:
        both.wait()
        return number + add, current()[0]

    with ThreadPoolExecutor(2) as pool, processing(came()):
        got = list(pool.map(partial(bound(meet), add=1), range(2)))

    assert got == [(1, TRACE_ID), (2, TRACE_ID)]


def test_a_function_is_bound_to_a_messages_context() -> None:
    """Without a scope, by what ``context_of`` gives."""
    assert run_in_thread(bound(current, context_of(came()))) == REMOTE
    assert current() == NOWHERE


def test_a_coroutine_function_is_not_bound() -> None:
    """A task has its context by itself: binding its function would do nothing, silently."""

    async def work() -> None: ...

    with pytest.raises(TypeError, match="coroutine function"):
        bound(work)


def test_tasks_and_to_thread_take_the_context_along_by_themselves() -> None:
    """What is started inside the scope keeps its copy after it; what is started later has none."""

    async def work(go: asyncio.Event) -> tuple[int, int]:
        await go.wait()
        return current()

    async def main() -> None:
        go = asyncio.Event()
        async with processing(came()) as span:
            inside = ids(span.get_span_context())
            task = asyncio.create_task(work(go))
            assert await asyncio.to_thread(current) == inside
        go.set()
        assert await task == inside
        assert await asyncio.create_task(work(go)) == NOWHERE

    asyncio.run(main())


def test_a_message_goes_into_a_pool_by_itself(spans: Spans) -> None:
    """A traced handler needs no binding: the trace is in the message, also in a pickled one."""

    @traced_handler
    def settle(record: Message) -> int:
        assert record
        return current()[0]

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(settle, [came() for _ in range(8)]))
    pickled = pickle.loads(pickle.dumps(came()))  # noqa: S301  # our own bytes

    assert got == [TRACE_ID] * 8
    assert settle(pickled) == TRACE_ID
    assert len(spans) == 9
