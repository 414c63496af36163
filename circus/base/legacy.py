"""Names that programs for Circus 0.19 import from ``circus.util`` and that Circus itself has no use for.

The core has tickets, one reconciler per watcher and its own timers instead. Importing this module costs
neither asyncio nor tornado; the two classes derived from theirs are made when somebody asks for them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from circus.base.logs import logger
from circus.base.tasks import create_task, current_loop
from circus.exc import ConflictError

if TYPE_CHECKING:
    import asyncio

_Function = TypeVar("_Function", bound=Callable[..., Any])

__all__ = [
    "AsyncPeriodicCallback",
    "DictDiffer",
    "ObjectDict",
    "TransformableFuture",
    "check_future_exception_and_log",
    "debuglog",
    "dict_differ",
    "synchronized",
    "tornado_sleep",
]


class ObjectDict(dict[str, Any]):
    """A dict whose items can be read as attributes. :raises KeyError: for a missing one."""

    def __getattr__(self, item: str) -> Any:
        return self[item]


class DictDiffer:
    """The keys by which two dicts differ."""

    def __init__(self, current_dict: Mapping[Any, Any], past_dict: Mapping[Any, Any]) -> None:
        self.current_dict, self.past_dict = current_dict, past_dict
        self.set_current, self.set_past = set(current_dict), set(past_dict)
        self.intersect = self.set_current & self.set_past

    def added(self) -> set[Any]:
        """Keys that only the current dict has."""
        return self.set_current - self.intersect

    def removed(self) -> set[Any]:
        """Keys that only the past dict has."""
        return self.set_past - self.intersect

    def changed(self) -> set[Any]:
        """Keys of both with different values."""
        return {key for key in self.intersect if self.past_dict[key] != self.current_dict[key]}

    def unchanged(self) -> set[Any]:
        """Keys of both with equal values."""
        return self.intersect - self.changed()


def dict_differ(dict1: Mapping[Any, Any], dict2: Mapping[Any, Any]) -> bool:
    """True when a key of both has different values. Keys that only one has do not count."""
    return bool(DictDiffer(dict1, dict2).changed())


def check_future_exception_and_log(future: Any) -> BaseException | None:
    """The exception of a finished future, which is logged; None when there is none, or no future."""
    if not callable(getattr(future, "exception", None)) or not future.done() or future.cancelled():
        return None
    error: BaseException | None = future.exception()
    if error is not None:
        logger.error("exception %s caught", error, exc_info=error)
    return error


def tornado_sleep(duration: float) -> asyncio.Future[None]:
    """A future that is done after ``duration`` seconds; for ``yield`` and ``await``."""
    loop = current_loop()
    future: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(duration, lambda: None if future.done() else future.set_result(None))
    future.add_done_callback(lambda _: timer.cancel())  # its holder cancelled it
    return future


def synchronized(name: str) -> Callable[[_Function], _Function]:
    """Let a method run only while no other synchronized one of the same arbiter does.

    The arbiter is the object itself, or its attribute ``arbiter``; without one nothing is checked. A method
    that gives back something to wait for runs until that is done.

    :param name: what others are told is running: ``arbiter is already running <name> command``.
    :raises ConflictError: from the decorated method, at once.
    """

    def decorate(method: _Function) -> _Function:
        @functools.wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            arbiter = getattr(self, "arbiter", None) if hasattr(self, "arbiter") else self
            if arbiter is None:
                return method(self, *args, **kwargs)
            if getattr(arbiter, "_restarting", False):
                raise ConflictError("arbiter is restarting...")
            running = getattr(arbiter, "_exclusive_running_command", None)
            if running is not None:
                raise ConflictError(f"arbiter is already running {running} command")
            arbiter._exclusive_running_command = name
            return _release_when_done(arbiter, lambda: method(self, *args, **kwargs))

        return call  # type: ignore[return-value]

    return decorate


def _release_when_done(arbiter: Any, call: Callable[[], Any]) -> Any:
    def release(_: object = None) -> None:
        arbiter._exclusive_running_command = None

    try:
        result = call()
        if hasattr(result, "cr_await"):  # a bare coroutine: somebody has to drive it
            result = create_task(result)
    except BaseException:
        release()
        raise
    if hasattr(result, "add_done_callback"):
        result.add_done_callback(release)
    elif hasattr(result, "on_done"):
        result.on_done(release)
    else:
        release()
    return result


_depth = 0


def debuglog(func: _Function) -> _Function:
    """Log start and end of each call of a method, indented by depth, if the variable DEBUG is set."""
    if not os.environ.get("DEBUG"):
        return func

    @functools.wraps(func)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        global _depth
        title = f"{'    ' * _depth}'{type(self).__name__}.{func.__name__}'"
        logger.debug("%s starts", title)
        _depth += 1
        try:
            return func(self, *args, **kwargs)
        finally:
            _depth -= 1
            logger.debug("%s ends", title)

    return call  # type: ignore[return-value]


class _Following:
    """The own half of ``TransformableFuture``; the other half is ``asyncio.Future``."""

    done: Callable[[], bool]
    cancel: Callable[[], bool]
    set_result: Callable[[Any], None]
    set_exception: Callable[[BaseException], None]

    _upstream: Any = None

    def __init__(self) -> None:
        super().__init__(loop=current_loop())  # type: ignore[call-arg]
        self._transform: Callable[[Any], Any] = lambda value: value

    def set_upstream_future(self, upstream_future: Any) -> None:
        """The future to follow; None when it is not known yet."""
        self._upstream = upstream_future
        if upstream_future is not None:
            upstream_future.add_done_callback(self._follow)

    def set_transform_function(self, fn: Callable[[Any], Any]) -> None:
        """What to do with the result on its way."""
        self._transform = fn

    def result(self) -> Any:
        """The transformed result. :raises Exception: when no upstream future was set."""
        if self._upstream is None and not self.done():
            raise Exception("upstream_future is not set")
        self._catch_up()
        return super().result()  # type: ignore[misc]

    def exception(self) -> BaseException | None:
        """The exception of the upstream future or of the function; None as long as there is none."""
        self._catch_up()
        return super().exception() if self.done() else None  # type: ignore[misc]

    def _catch_up(self) -> None:
        """Upstream tells of its end in the loop's next round; who asks before that gets the answer."""
        if self._upstream is not None and self._upstream.done():
            self._follow(self._upstream)

    def _follow(self, upstream: Any) -> None:
        if self.done() or upstream is not self._upstream:
            return
        if upstream.cancelled():
            self.cancel()
            return
        try:
            self.set_result(self._transform(upstream.result()))
        except Exception as error:  # whatever upstream or the function raised is the answer
            self.set_exception(error)


def _make_transformable_future() -> type:
    import asyncio  # kept off the start path

    class TransformableFuture(_Following, asyncio.Future[Any]):  # type: ignore[misc]
        """A future that ends when another one does, with that one's result passed through a function."""

    return TransformableFuture


def _make_periodic_callback() -> type:
    from tornado.ioloop import PeriodicCallback  # kept off the start path

    class AsyncPeriodicCallback(PeriodicCallback):
        """Call or await a function every ``callback_time`` milliseconds, never twice at once."""

    return AsyncPeriodicCallback


if TYPE_CHECKING:
    from tornado.ioloop import PeriodicCallback as AsyncPeriodicCallback

    class TransformableFuture(_Following, asyncio.Future[Any]):  # type: ignore[misc]
        """See :func:`_make_transformable_future`."""


_MADE_ON_DEMAND = {
    "AsyncPeriodicCallback": _make_periodic_callback,
    "TransformableFuture": _make_transformable_future,
}


def __getattr__(name: str) -> Any:
    make = _MADE_ON_DEMAND.get(name)
    if make is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made = make()
    made.__module__, made.__qualname__ = __name__, name
    return made
