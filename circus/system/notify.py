"""Telling a service manager what the daemon is at, by the protocol of sd_notify(3).

``circusd`` makes a :class:`Notifier` when it finds ``NOTIFY_SOCKET`` in its environment, and loads this module only
then. The arbiter, which knows it as its *herald*, says when it reloads and ends; what that means to watchers is not
known here. All is sent from the event loop, so that a loop that hangs is noticed by the watchdog of the manager.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any

from circus.base.logs import logger

#: What is taken out of the environment: a worker that inherited it could speak for the daemon, and be taken for hung.
VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
#: Seconds between two beats, at most: the status line is renewed, and more time asked for while a phase takes long.
BEAT = 10.0
#: Seconds more than that are asked for at each beat of a start or reload.
EXTENSION = 30.0
#: Seconds that the end may take over the longest graceful timeout.
END_TAKES = 15.0
#: Seconds until a message is sent again that found the manager's queue full.
RETRY = 0.1
#: What waits to be sent at most; the manager does not read any more.
_UNSENT_MAX = 100


class Notifier:
    """One daemon's line to its service manager. It outlives a restart in place.

    :param address: value of ``NOTIFY_SOCKET``: a path, or ``@name`` for Linux' abstract names.
    :param watchdog: seconds of silence after which the manager takes the daemon for hung; 0 when it does not watch.
    """

    def __init__(self, address: str, watchdog: float = 0.0) -> None:
        self.address, self.watchdog = address, watchdog
        self.phase = "starting"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0))
        self._socket.setblocking(False)
        self._unsent: deque[bytes] = deque()
        self._complained = False
        self._loop: Any = None
        self._describe: Callable[[], str] = str
        self._status = ""
        self._timer: Any = None
        self._retry: Any = None
        self._reloads = 0

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Notifier | None:
        """Make one from an environment, from which the variables of the protocol are removed.

        :return: None, and a warning, for an address of a kind that is not known.
        """
        address, usec, pid = (environ.pop(name, "") for name in VARIABLES)
        if address[:1] not in ("/", "@") or len(address) < 2:
            logger.warning("NOTIFY_SOCKET=%s is neither a path nor an abstract name: not told of anything", address)
            return None
        ours = not pid or pid == str(os.getpid())
        return cls(address, int(usec) / 1e6 if ours and usec.isdecimal() else 0.0)

    # -- what the daemon says -----------------------------------------------------------------------------------

    def attend(self, loop: Any, describe: Callable[[], str]) -> None:
        """Accompany a daemon that is about to start, on its loop.

        :param loop: object with asyncio's ``call_later``; it need not run yet.
        :param describe: gives the status line that is shown while the daemon runs.
        """
        self._let_go()
        self._loop, self._describe = loop, describe
        self.phase, self._reloads = "starting", 0
        self._timer = loop.call_later(0, self._beat)

    def started(self, _done: Any = None) -> None:
        """Everything that starts by itself was started."""
        if self.phase == "starting":
            self.phase = "running"
            self._send("READY=1", f"MAINPID={os.getpid()}", self._status_line(self._describe()))

    def reloading(self, future: Any) -> None:
        """A reload begins that is over when ``future`` is done, however it went."""
        self._reloads += 1
        if self.phase == "running":
            self._begin_reload("Reloading")
        future.add_done_callback(self._reloaded)

    def _reloaded(self, _done: Any) -> None:
        self._reloads = max(0, self._reloads - 1)
        if self.phase == "reloading" and not self._reloads:
            self.phase = "running"
            self._send("READY=1", self._status_line(self._describe()))

    def ending(self, *, again: bool, patience: float = 0.0) -> None:
        """Everything is being stopped.

        :param again: the daemon starts anew afterwards, in its process: to the manager that is a reload.
        :param patience: seconds until the last worker will have been killed.
        """
        if again:
            if self.phase == "running":
                self._begin_reload("Restarting")
            self.phase = "restarting"
            return
        if self.phase != "stopping":
            self.phase = "stopping"
            self._send("STOPPING=1", self._status_line("Stopping"), _extend(patience + END_TAKES))

    def close(self) -> None:
        """Nothing more is said."""
        self._let_go()
        self._socket.close()

    # -- inside -------------------------------------------------------------------------------------------------

    def _let_go(self) -> None:
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
        self._timer = self._retry = None

    def _begin_reload(self, status: str) -> None:
        self.phase = "reloading"
        # The manager compares it with the time at which it asked for the reload (Type=notify-reload).
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", self._status_line(status))

    def _beat(self) -> None:
        """Say that the loop is alive, and what has changed."""
        pause = min(BEAT, self.watchdog / 2 or BEAT)
        self._timer = self._loop.call_later(pause, self._beat)
        lines = ["WATCHDOG=1"] if self.watchdog else []
        if self.phase in ("starting", "reloading", "restarting"):
            lines.append(_extend(EXTENSION))
        elif self.phase == "running" and (status := self._describe()) != self._status:
            lines.append(self._status_line(status))
        if lines:
            self._send(*lines)

    def _status_line(self, text: str) -> str:
        self._status = text
        return "STATUS=" + " ".join(text.split())

    def _send(self, *lines: str) -> None:
        if len(self._unsent) < _UNSENT_MAX:
            self._unsent.append("\n".join(lines).encode(errors="replace"))
        if self._retry is None:
            self._flush()

    def _flush(self) -> None:
        self._retry = None
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        while self._unsent:
            try:
                self._socket.sendto(self._unsent[0], address)
            except BlockingIOError:
                self._retry = self._loop.call_later(RETRY, self._flush)
                return
            except OSError as error:
                if not self._complained:
                    self._complained = True
                    logger.warning("the service manager at %s cannot be told anything: %s", self.address, error)
            self._unsent.popleft()


def _extend(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}"
