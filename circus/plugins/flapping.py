"""Stops a watcher whose processes keep dying, and starts it again after a while.

It hears of deaths by ``reap`` events and acts by the commands ``stop`` and ``start``. Deaths that somebody asked for
(stop, restart, reload, ``max_age``) do not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from circus.base.convert import to_bool
from circus.base.logs import logger
from circus.exc import CallError
from circus.plugins.base import CircusPlugin
from circus.plugins.tables import FLAPPING

if TYPE_CHECKING:
    from tornado.ioloop import IOLoop

#: Value of ``max_retry`` that never gives up.
INFINITE_RETRY = -1
#: How many requests to end are remembered.
_MOST_REQUESTS = 1000


class Timer:
    """Calls a function once, on the loop of a plugin.

    :param interval: seconds from :meth:`start`.
    :param function: what to call.
    :param loop: the loop.
    """

    def __init__(self, interval: float, function: Callable[[], None], loop: IOLoop) -> None:
        self.interval, self.function, self.loop = interval, function, loop
        self._handle: object = None

    def start(self) -> None:
        """Begin to wait."""
        self._handle = self.loop.call_later(self.interval, self.function)

    def cancel(self) -> None:
        """Do not call it any more. May be called at any time."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self.loop.remove_timeout(handle)


class Flapping(CircusPlugin):
    """Stops watchers that flap. Options: :data:`~circus.plugins.tables.FLAPPING`, and for one watcher the same ones
    in its own section as ``flapping.<option>``.

    :ivar timelines: watcher to the times of its last unexpected deaths, oldest first.
    :ivar tries: watcher to how many times in a row it was stopped to be started again.
    :ivar timers: watcher to the timer that will start it.
    :ivar configs: watcher to its own options, see :meth:`update_conf`; asked for at the first death after a start.

    Source: spec plugins-hooks-streams.md 1.6, decisions.md 5.
    """

    name = "flapping"
    option_table = FLAPPING

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        values = self.option_values
        self.attempts: int = values["attempts"]
        self.window: float = values["window"]
        self.retry_in: float = values["retry_in"]
        self.max_retry: int = values["max_retry"]
        self.timelines: dict[str, list[float]] = {}
        self.timers: dict[str, Timer] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.tries: dict[str, int] = {}
        #: Watchers that have stopped as they were told to, and wait for their timers.
        self._stopped: set[str] = set()
        #: Pids that somebody asked to end, as far as a daemon is concerned that does not say so with the death.
        self._asked: dict[Any, None] = {}

    def handle_stop(self) -> None:
        """Start nothing any more."""
        for watcher in list(self.timers):
            self._cancel_timer(watcher)

    # -- events ----------------------------------------------------------------------------------------------

    def handle_recv(self, data: list[Any]) -> None:
        """Take notice of deaths, of new options, and of what others do to a watcher that waits."""
        watcher, action, message = self.split_data(data)
        payload = self.load_message(message) if message else {}
        if action == "reap":
            if not self._is_expected(payload):
                self._note_death(watcher, payload)
        elif action == "kill":
            self._note_request(payload.get("process_pid"))
        elif action == "updated":
            if str(payload.get("option", "flapping.")).startswith("flapping."):
                self._fetch_conf(watcher)
        elif action == "stop":
            if watcher in self.timers:
                self._stopped.add(watcher)
        elif action == "start":
            self.configs.pop(watcher, None)  # it may have been made anew from an edited file
            # A start that was on its way when the stop was sent says nothing; after the stop somebody wants it to run.
            if watcher in self._stopped:
                self._cancel_timer(watcher)
        elif action == "remove":
            self._forget(watcher)

    def _note_request(self, pid: Any) -> None:
        self._asked[pid] = None
        if len(self._asked) > _MOST_REQUESTS:  # children were asked, too, and are never reaped
            del self._asked[next(iter(self._asked))]

    def _is_expected(self, payload: Mapping[str, Any]) -> bool:
        asked = self._asked.pop(payload.get("process_pid"), False) is None
        return bool(payload.get("expected", asked))

    def _note_death(self, watcher: str, payload: Mapping[str, Any]) -> None:
        # The daemon's time: events may have waited here while a call was under way.
        when = payload.get("time")
        if watcher not in self.configs:
            self._fetch_conf(watcher)
        self.timelines.setdefault(watcher, []).append(when if isinstance(when, (int, float)) else time.time())
        self.check(watcher)

    def _forget(self, watcher: str) -> None:
        self._cancel_timer(watcher)
        for state in (self.timelines, self.configs, self.tries):
            state.pop(watcher, None)

    # -- options of one watcher ------------------------------------------------------------------------------

    def _fetch_conf(self, watcher: str) -> None:
        try:
            self.configs[watcher] = self.update_conf(watcher)
        except CallError as error:  # asked for again at the next death
            self.configs.pop(watcher, None)
            logger.warning("%s: its own options for flapping cannot be read: %s", watcher, error)

    def update_conf(self, watcher: str) -> dict[str, Any]:
        """The options ``flapping.*`` of a watcher by their names here, with their values; a value that cannot be
        used is warned about and left out, an unknown option is given as it is.

        :raises CallError: the daemon does not answer.
        """
        found: dict[str, Any] = {}
        options = self.call("options", name=watcher).get("options") or {}
        for key, value in options.items():
            prefix, _, name = key.partition(".")
            if prefix != "flapping" or not name:
                continue
            option = FLAPPING.find(name)
            try:
                found[name] = value if option is None else option.kind.parse(str(value))
            except ValueError as error:
                logger.warning("%s: %s = %s is ignored: %s (expected: %s)", watcher, key, value, error,
                               option.kind.word if option else "")
        return found

    def _value(self, watcher: str, name: str) -> Any:
        return self.configs.get(watcher, {}).get(name, getattr(self, name))

    # -- the decision ----------------------------------------------------------------------------------------

    def check(self, watcher: str) -> None:
        """Look whether a watcher flaps, and act."""
        if not to_bool(self._value(watcher, "active")):
            self.timelines[watcher] = []
            return
        attempts = self._value(watcher, "attempts")
        timeline = self.timelines.get(watcher, [])[-attempts:]
        if len(timeline) < attempts:
            return
        duration = timeline[-1] - timeline[0] - max(self.check_delay, 0.0)
        self.timelines[watcher] = []
        if duration > self._value(watcher, "window"):
            self.tries[watcher] = 0
        else:
            self._stop(watcher)

    def _stop(self, watcher: str) -> None:
        tries, max_retry = self.tries.get(watcher, 0), self._value(watcher, "max_retry")
        self._cancel_timer(watcher)
        if max_retry == INFINITE_RETRY or tries < max_retry:
            retry_in = self._value(watcher, "retry_in")
            logger.info("%s: flapping detected: retry in %2ds (attempt number %s)", watcher, retry_in, tries + 1)
            self.tries[watcher] = tries + 1
            self.cast("stop", name=watcher)
            self.timers[watcher] = timer = Timer(retry_in, lambda: self._retry(watcher), self.loop)
            timer.start()
        else:
            logger.info("%s: flapping detected: reached max retry limit", watcher)
            self.tries[watcher] = 0
            self.cast("stop", name=watcher)

    def _retry(self, watcher: str) -> None:
        self._cancel_timer(watcher)  # it has gone off, and is forgotten
        self.cast("start", name=watcher)

    def reset(self, watcher: str) -> None:
        """Forget the deaths of a watcher and how often it was tried, and do not start it."""
        self.timelines[watcher] = []
        self.tries[watcher] = 0
        self._cancel_timer(watcher)

    def _cancel_timer(self, watcher: str) -> None:
        self._stopped.discard(watcher)
        timer = self.timers.pop(watcher, None)
        if timer is not None:
            timer.cancel()
