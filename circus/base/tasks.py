"""Things that finish later, and how they meet asyncio.

The core settles a :class:`Ticket` for each wish, knowing nothing of event loops, for circusd starts its first
workers before asyncio is imported. The public methods give :func:`as_future` of that ticket to their callers.
asyncio is imported inside the functions of the second half only: kept off the start path.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from circus.base.logs import logger

if TYPE_CHECKING:
    import asyncio


class Ticket:
    """Something that was asked for and is going to be settled or fail, once.

    To be used on one thread, that of the core.

    :param kind: what was asked for, such as ``stop``.
    :param params: with what; for people who read a log or the watcher's story.
    """

    __slots__ = ("_callbacks", "done", "error", "kind", "params", "result")

    def __init__(self, kind: str, params: tuple[object, ...] = ()) -> None:
        self.kind, self.params = kind, params
        #: True from the moment it was settled or failed.
        self.done = False
        #: What it was settled with; None until then.
        self.result: Any = None
        #: Why it failed, if it did.
        self.error: BaseException | None = None
        self._callbacks: list[Callable[[Ticket], object]] = []

    def settle(self, result: object = None) -> bool:
        """The wish came true, with ``result``. The first word counts: False when it was done before."""
        return self._finish(result, None)

    def fail(self, error: BaseException) -> bool:
        """The wish will not come true. The first word counts: False when it was done before."""
        return self._finish(None, error)

    def on_done(self, callback: Callable[[Ticket], object]) -> None:
        """Call ``callback(ticket)`` when it is done, at once if it is already. What it raises is logged."""
        if self.done:
            self._tell(callback)
        else:
            self._callbacks.append(callback)

    def _finish(self, result: object, error: BaseException | None) -> bool:
        if self.done:
            return False
        self.done, self.result, self.error = True, result, error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._tell(callback)
        return True

    def _tell(self, callback: Callable[[Ticket], object]) -> None:
        try:
            callback(self)
        except Exception:  # a listener's mistake must not reach whoever settles the ticket
            logger.exception("error in a listener of %r", self)

    def __repr__(self) -> str:
        state = "pending"
        if self.done:
            state = f"failed: {self.error!r}" if self.error else f"settled: {self.result!r}"
        return f"<Ticket {self.kind}{self.params or ''} {state}>"


def as_future(ticket: Ticket, loop: Any = None, *, log_unobserved: bool = True) -> asyncio.Future[Any]:
    """An ``asyncio.Future`` that ends as the ticket does; done already when the ticket is.

    Cancelling the future leaves the ticket alone: what was wished stays wished.

    :param loop: an asyncio loop or a tornado ``IOLoop``; default :func:`current_loop`.
    :param log_unobserved: when nobody ever looks at the failure, log ``exception <text> caught``. Either way
        asyncio's "exception was never retrieved" is not printed: a bare ``watcher.stop()`` is a legitimate
        call.
    """
    future: asyncio.Future[Any] = _quiet_future_class()(loop=unwrap_loop(loop))
    future.log_unobserved = log_unobserved  # type: ignore[attr-defined]

    def copy(finished: Ticket) -> None:
        if future.done():  # cancelled by its holder
            return
        if finished.error is not None:
            future.set_exception(finished.error)
        else:
            future.set_result(finished.result)

    ticket.on_done(copy)
    return future


@functools.cache
def _quiet_future_class() -> Any:
    """The class of futures that tell about an unobserved failure in the log of Circus, in one line."""
    import asyncio

    class TicketFuture(asyncio.Future[Any]):
        log_unobserved = True

        def __del__(self) -> None:
            # True from set_exception() until somebody asks for the result or the exception.
            if self._log_traceback:
                self._log_traceback = False
                if self.log_unobserved:
                    logger.error("exception %s caught", self.exception())

    return TicketFuture


def unwrap_loop(loop: Any = None) -> Any:
    """The asyncio loop behind ``loop``: one, or a tornado ``IOLoop``. None means :func:`current_loop`."""
    return current_loop() if loop is None else getattr(loop, "asyncio_loop", loop)


def current_loop() -> asyncio.AbstractEventLoop:
    """The running loop of this thread, else the one set for it, else a new one that is set from now on."""
    import asyncio
    import warnings

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass  # none runs yet: embedders build their objects before they start the loop
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns when it makes a loop
        try:
            return asyncio.get_event_loop_policy().get_event_loop()
        except RuntimeError:
            pass  # none was set for this thread, or it was unset
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def waiting_loop() -> Any:
    """The asyncio loop that was set for this thread and does not run yet; None when there is none.

    Unlike :func:`current_loop` it makes none, and does not load asyncio to find out.
    """
    import sys

    if "asyncio" not in sys.modules:
        return None
    import asyncio

    # There is no public way to ask without having one made.
    local = getattr(asyncio.get_event_loop_policy(), "_local", None)
    loop = getattr(local, "_loop", None)
    return None if loop is None or loop.is_closed() or loop.is_running() else loop


def tornado_view(loop: Any = None) -> Any:
    """A tornado ``IOLoop`` on an asyncio loop; None, or one that is closed: on the loop of this thread."""
    from tornado.ioloop import IOLoop  # only for those who ask
    from tornado.platform.asyncio import BaseAsyncIOLoop

    if loop is None or loop.is_closed():
        loop = current_loop()
    known = IOLoop._ioloop_for_asyncio.get(loop)
    return known if known is not None else BaseAsyncIOLoop(asyncio_loop=loop, make_current=False)


# A loop holds its tasks by weak references only; one that nobody else holds could vanish half-way.
_tasks: set[asyncio.Task[Any]] = set()


def create_task(coro: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
    """Run ``coro`` on the running loop, keep it alive until it ends, and log what it raises.

    :raises RuntimeError: when no loop runs on this thread.
    """
    import asyncio

    task = asyncio.get_running_loop().create_task(coro, name=name)
    _tasks.add(task)
    task.add_done_callback(_task_ended)
    return task


def _task_ended(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    error = None if task.cancelled() else task.exception()
    if error is not None:
        logger.error("exception %s caught in %s", error, task.get_name(), exc_info=error)
