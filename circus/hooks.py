"""Calling hooks: found by name, run off the loop, one after the other per watcher, within a time limit.

Used by :mod:`circus.watcher`. What an answer means is said by :mod:`circus.model.hooktable`; what happens next is
decided by the life cycle.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from circus.base.convert import to_bool
from circus.base.imports import resolve_name
from circus.base.logs import logger
from circus.exc import HookError
from circus.model.hooktable import HOOKS


def load_hook(target: Any, *, reload: bool = False) -> tuple[Callable[..., Any], bool]:
    """Find one hook.

    :param target: a callable, a dotted name, ``"dotted.name,flag"``, or a pair (callable or dotted name, flag);
        the flag says that a failure of the hook is to be ignored (spec config.md 5, ``hooks.NAME``).
    :param reload: import its module again (``set NAME hooks.x``).
    :return: the callable and the flag.
    :raises ImportError: when the name cannot be found.
    """
    ignore: Any = False
    if isinstance(target, str) and "," in target:
        target, ignore = (part.strip() for part in target.split(",", 1))
    elif isinstance(target, (tuple, list)):
        target, ignore = target[0], target[1] if len(target) > 1 else False
    if not callable(target):
        target = resolve_name(target, reload=reload)
    return target, to_bool(ignore) if isinstance(ignore, str) else bool(ignore)


class _Call:
    """One question to one hook."""

    __slots__ = ("answered", "arguments", "began", "function", "ignore_failure", "name", "over", "timer")

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        ignore_failure: bool,
        answered: Callable[[bool], None],
    ) -> None:
        self.name, self.function, self.arguments = name, function, arguments
        self.ignore_failure, self.answered = ignore_failure, answered
        self.over = False
        self.began = 0.0
        self.timer: Any = None


class HookRunner:
    """Runs the hooks of one watcher in order, each in a thread of its own.

    A hook that does not answer within ``timeout`` seconds counts as failed; its thread is left behind (Python cannot
    end it) and the next hook runs in another.

    :param loop: asyncio's method names; answers arrive there.
    :param report: called on the loop as ``report(name, error, go, took)`` after each hook: ``error`` is None after
        success, ``go`` whether what the hook guards may go on, ``took`` how many seconds it thought.
    """

    def __init__(
        self, loop: Any, report: Callable[[str, BaseException | None, bool, float], None], timeout: float = 60.0
    ) -> None:
        self._loop = loop
        self._report = report
        self.timeout = timeout
        self._queue: deque[_Call] = deque()
        self._current: _Call | None = None

    @property
    def asking(self) -> tuple[str, float] | None:
        """The hook that has not answered yet and how many seconds it has been thinking; None for none."""
        call = self._current
        return None if call is None else (call.name, time.monotonic() - call.began)

    def ask(
        self,
        name: str,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        ignore_failure: bool,
        answered: Callable[[bool], None],
    ) -> None:
        """Call ``function(**arguments)`` off the loop, then ``answered(go)`` on it."""
        self._queue.append(_Call(name, function, arguments, ignore_failure, answered))
        if self._current is None:
            self._next()

    def _next(self) -> None:
        if not self._queue:
            return
        call = self._current = self._queue.popleft()
        call.began = time.monotonic()
        call.timer = self._loop.call_later(self.timeout, self._expired, call)
        try:
            threading.Thread(target=self._run, args=(call,), name=f"hook {call.name}", daemon=True).start()
        except RuntimeError as error:  # the machine has no thread left for us
            self._loop.call_soon(self._over, call, None, error)

    def _run(self, call: _Call) -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = call.function(**call.arguments)
        except (Exception, SystemExit) as raised:  # a hook is foreign code: whatever it raises is its answer
            error = raised
        try:
            self._loop.call_soon_threadsafe(self._returned, call, result, error)
        except RuntimeError:  # the loop is closed: the daemon ended without this answer
            logger.debug("hook %r answered too late", call.name)

    def _returned(self, call: _Call, result: Any, error: BaseException | None) -> None:
        if call.over:
            return
        if error is None and hasattr(result, "__await__"):
            self._await(call, result)
        else:
            self._over(call, result, error)

    def _await(self, call: _Call, awaitable: Any) -> None:
        """A coroutine hook goes on on the loop itself; the time limit holds for it, too."""
        from circus.base.tasks import create_task  # kept off the start path

        async def run() -> None:
            try:
                result = await awaitable
            except Exception as error:
                self._over(call, None, error)
            else:
                self._over(call, result, None)

        create_task(run(), name=f"hook {call.name}")

    def _expired(self, call: _Call) -> None:
        self._over(call, None, HookError(f"hook {call.name!r} did not answer within {self.timeout:g} s", call.name))

    def _over(self, call: _Call, result: Any, error: BaseException | None) -> None:
        if call.over:
            return
        call.over = True
        call.timer.cancel()
        if error is not None:
            logger.error("Hook %r failed", call.name, exc_info=error)
        spec = HOOKS.get(call.name)
        go = spec.go(result, error is not None, call.ignore_failure) if spec else True
        self._report(call.name, error, go, time.monotonic() - call.began)
        self._current = None
        try:
            call.answered(go)
        finally:
            if self._current is None:
                self._next()
