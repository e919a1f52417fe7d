"""Ways into handlers, threads and executors: `traced_handler` and `bound`.

A scope is current in the thread or task that entered it. What happens elsewhere:

- A task that is created inside the scope has a copy of its context: nothing to be done. It keeps
  that copy for as long as it lives, as does `asyncio.to_thread`.
- A new thread, ``executor.submit`` and ``loop.run_in_executor`` begin without any: give them
  ``bound(function)``, or hand the message itself to a `traced_handler`.
- A process cannot be given a context. Messages can be pickled: hand it the message.
- A generator shares the context of whoever advances it. A `traced_handler` that is a generator
  leaves the message's context at each ``yield`` and takes it up again when it is resumed.
"""

from __future__ import annotations

import inspect
from contextvars import copy_context
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from confluent_kafka import Message
from opentelemetry.context import Context, attach, get_current

from propagation.processing import processing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from opentelemetry.trace import Span

    from propagation.consumer import Lender
    from propagation.options import Options
    from propagation.processing import ProcessingScope

P = ParamSpec("P")
R = TypeVar("R")


def bound(function: Callable[P, R], context: Context | None = None) -> Callable[P, R]:
    """Bind *function* to what is current here: it runs with that wherever it is called.

    All context variables come along, those of other libraries too; changes that it makes to them
    stay its own. *context*, as `context_of` gives it, goes before the current OpenTelemetry
    context. The result may be called several times, and in several threads at once.

    Raises:
        TypeError: *function* is a coroutine function. A task takes the context along by itself:
            ``asyncio.create_task(function(…))``.
    """
    if _is_async(function):
        raise TypeError(f"{function!r} is a coroutine function: a task needs no binding")
    captured = copy_context()
    if context is not None:
        captured.run(attach, context)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered once at a time, so each call has a copy; it costs nothing.
        return captured.copy().run(function, *args, **kwargs)

    return run


@overload
def traced_handler(handler: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def traced_handler(
    *, consumer: Lender | None = None, options: Options | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def traced_handler(
    handler: Callable[..., Any] | None = None,
    /,
    *,
    consumer: Lender | None = None,
    options: Options | None = None,
) -> Any:
    """Decorate *handler*: each call runs in the `processing` scope of the message it is given.

    The message is the first argument that is one, so methods work as functions do. *handler* may
    be a function, a coroutine function or a generator of either kind. With or without
    parentheses; *consumer* and *options* as for `processing`.

    Raises:
        TypeError: on a call, that no argument is a message.
        ValueError: on a call, that the message is an error of the client.
    """
    if handler is None:
        return lambda decorated: _traced(decorated, consumer, options)
    return _traced(handler, consumer, options)


def _traced(
    handler: Callable[..., Any], consumer: Lender | None, options: Options | None
) -> Callable[..., Any]:
    def scope(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ProcessingScope:
        message = _message(handler, args, kwargs)
        return processing(message, consumer=consumer, options=options)

    @wraps(handler)
    def handle(*args: Any, **kwargs: Any) -> Any:
        with scope(args, kwargs):
            return handler(*args, **kwargs)

    @wraps(handler)
    async def handle_async(*args: Any, **kwargs: Any) -> Any:
        with scope(args, kwargs):
            return await handler(*args, **kwargs)

    @wraps(handler)
    def steps(*args: Any, **kwargs: Any) -> Any:
        return _steps(handler(*args, **kwargs), scope(args, kwargs))

    @wraps(handler)
    def steps_async(*args: Any, **kwargs: Any) -> Any:
        return _steps_async(handler(*args, **kwargs), scope(args, kwargs))

    if inspect.isgeneratorfunction(handler):
        return steps
    if inspect.isasyncgenfunction(handler):
        return steps_async
    return handle_async if _is_async(handler) else handle


def _message(handler: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Message:
    for argument in (*args, *kwargs.values()):
        if isinstance(argument, Message):
            return argument
    raise TypeError(f"{handler!r} was called without a message")


def _is_async(function: Callable[..., Any]) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004  # an object may be called, too
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


class _Steps:
    """The scope of a generator: current while a step runs, put away between steps."""

    def __init__(self, scope: ProcessingScope) -> None:
        self._scope = scope
        self._outside = get_current()
        self._inside: Context | None = None

    def __enter__(self) -> Span | None:
        """Begin a step: the first opens the scope, the others take it up again."""
        self._outside = get_current()
        if self._inside is None:
            return self._scope.__enter__()
        attach(self._inside)
        return None

    def __exit__(self, *_: object) -> None:
        """End a step, however it went."""
        self._inside = get_current()
        attach(self._outside)

    def close(self, error: BaseException | None) -> None:
        """End the scope, where it is current once more: nothing of it stays."""
        if self._inside is not None:
            with self:
                self._scope.__exit__(type(error) if error else None, error, None)


def _steps(generator: Generator[Any, Any, Any], scope: ProcessingScope) -> Any:
    """Advance *generator* as its caller advances this one, each step inside *scope*."""
    step = _Steps(scope)
    advance: Callable[[Any], Any] = generator.send
    given: Any = None
    try:
        while True:
            try:
                with step:
                    got = advance(given)
            except StopIteration as stop:
                step.close(None)
                return stop.value
            try:
                advance, given = generator.send, (yield got)
            except GeneratorExit:
                with step:
                    generator.close()
                raise
            except BaseException as error:  # noqa: BLE001  # it is the generator's to handle
                advance, given = generator.throw, error
    except BaseException as error:
        step.close(None if isinstance(error, GeneratorExit) else error)
        raise


async def _steps_async(generator: AsyncGenerator[Any, Any], scope: ProcessingScope) -> Any:
    """Do as `_steps` for an asynchronous generator."""
    step = _Steps(scope)
    advance: Callable[[Any], Any] = generator.asend
    given: Any = None
    try:
        while True:
            try:
                with step:
                    got = await advance(given)
            except StopAsyncIteration:
                step.close(None)
                return
            try:
                advance, given = generator.asend, (yield got)
            except GeneratorExit:
                with step:
                    await generator.aclose()
                raise
            except BaseException as error:  # noqa: BLE001  # it is the generator's to handle
                advance, given = generator.athrow, error
    except BaseException as error:
        step.close(None if isinstance(error, GeneratorExit) else error)
        raise
