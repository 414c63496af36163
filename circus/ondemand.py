"""Watchers that start when somebody connects.

An idle ``on_demand`` watcher has no process; its listening sockets are watched instead, and the first connection
starts it, and it alone (spec lifecycle.md 11). The process accepts the connection itself. Used by the arbiter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from circus.base.logs import logger
from circus.model.socketnames import socket_references
from circus.model.steps import Stage, Wish

if TYPE_CHECKING:
    from circus.watcher import Watcher


class SocketAlarm:
    """Watches the sockets of idle on_demand watchers.

    :param loop: asyncio's method names.
    :param sockets: the managed sockets by name.
    """

    def __init__(self, loop: Any, sockets: Mapping[str, Any]) -> None:
        self._loop = loop
        self._sockets = sockets
        self._closed = False
        #: Idle watchers by the descriptor that wakes them.
        self._waiting: dict[int, set[Watcher]] = {}
        #: Watchers an operator stopped: they stay stopped until they are started by name.
        self._held: set[str] = set()
        #: When each was last started by a connection, and how often in a row it ended at once.
        self._woken: dict[str, tuple[float, int]] = {}
        #: Those that are armed again in a moment.
        self._soon: dict[Watcher, Any] = {}
        #: Since when those that run are up.
        self._up: dict[str, float] = {}

    def arm(self, watcher: Watcher) -> None:
        """Start ``watcher`` when one of its sockets is asked for."""
        if not watcher.on_demand or watcher.name in self._held:
            return
        named = socket_references(vars(watcher))
        for name, sock in self._sockets.items():
            if not named or name.lower() in named:
                fd = sock.fileno()
                if fd < 0:
                    continue
                if not self._waiting.setdefault(fd, set()):
                    self._loop.add_reader(fd, self._asked, fd)
                self._waiting[fd].add(watcher)

    def disarm(self, watcher: Watcher) -> None:
        """``watcher`` runs, or is gone: its sockets are its own business."""
        timer = self._soon.pop(watcher, None)
        if timer is not None:
            timer.cancel()  # or one that was replaced meanwhile would be started beside its successor
        for fd in [fd for fd, watchers in self._waiting.items() if watcher in watchers]:
            self._waiting[fd].discard(watcher)
            if not self._waiting[fd]:
                self._loop.remove_reader(fd)
                del self._waiting[fd]

    def hold(self, watcher: Watcher, *, held: bool) -> None:
        """An operator stopped ``watcher`` (held) or started it (not held)."""
        if held:
            self._held.add(watcher.name)
            self.disarm(watcher)
        else:
            self._held.discard(watcher.name)

    def stage_changed(self, watcher: Watcher, stage: Stage) -> None:
        """Follow the life of an on_demand watcher."""
        if stage is Stage.UP:
            self._up[watcher.name] = self._loop.time()
        elif stage is Stage.IDLE:
            at, failures = self._woken.get(watcher.name, (-1e9, 0))
            up = self._up.pop(watcher.name, None)
            # Young: it never came up, however long that took, or was up for a moment only.
            young = at > 0 and (up is None or self._loop.time() - max(at, up) < watcher.backoff.stable)
            self._woken[watcher.name] = (at, failures + 1 if young else 0)
            # A worker that ends without accepting leaves the socket readable: without a pause this would spin.
            wait = watcher.backoff.delay(failures + 1, lambda: 0.0) if young else 0.0
            self._soon[watcher] = self._loop.call_later(wait, self._arm_if_idle, watcher)
        elif stage in (Stage.ASKING, Stage.STARTING):
            self.disarm(watcher)

    def _arm_if_idle(self, watcher: Watcher) -> None:
        self._soon.pop(watcher, None)
        if not self._closed and watcher.is_stopped():
            self.arm(watcher)

    def _name_of(self, fd: int) -> str:
        return next((name for name, sock in self._sockets.items() if sock.fileno() == fd), f"on fd {fd}")

    def awaits(self, watcher: Watcher) -> list[str]:
        """Names of the sockets whose next connection starts ``watcher``; empty when none would."""
        return [self._name_of(fd) for fd, watchers in self._waiting.items() if watcher in watchers]

    def close(self) -> None:
        """Watch nothing any more."""
        self._closed = True
        for fd in self._waiting:
            self._loop.remove_reader(fd)
        self._waiting.clear()

    def _asked(self, fd: int) -> None:
        for watcher in list(self._waiting.get(fd, ())):
            self.disarm(watcher)
            self._woken[watcher.name] = (self._loop.time(), self._woken.get(watcher.name, (0.0, 0))[1])
            logger.info("%s: somebody connects, starting it", watcher.name)
            watcher.supervision.wish(Wish.START, f"connection on socket {self._name_of(fd)}")
