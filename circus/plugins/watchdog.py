"""Ends processes that have stopped to send heart beats; their watchers replace them.

A heart beat is a UDP datagram with the pid of its sender. Which processes there are is learnt from the daemon, once
by asking and then by ``spawn`` and ``reap`` events.
"""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING, Any

from circus.base.logs import logger
from circus.exc import CallError
from circus.plugins.base import CircusPlugin
from circus.plugins.tables import WATCHDOG

if TYPE_CHECKING:
    from tornado.ioloop import PeriodicCallback

#: Bytes of a datagram that are looked at.
_LONGEST_BEAT = 1024
#: circusd's own watchers: they send no heart beats.
_OWN = ("circusd-stats", "circushttpd")


class WatchDog(CircusPlugin):
    """Ends silent processes. Options: :data:`~circus.plugins.tables.WATCHDOG`.

    :ivar pid_status: pid, as text, to ``{"watcher": name, "last_activity": seconds on the monotonic clock}``.
    :ivar starting: the daemon must still be asked which processes there are.
    :ivar sock: where heart beats arrive; None when it could not be bound.
    :ivar period: what checks periodically.

    Source: spec plugins-hooks-streams.md 1.6.
    """

    name = "watchdog"
    option_table = WATCHDOG

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        values = self.option_values
        self.loop_rate: float = values["loop_rate"]
        self.watchers_regex: re.Pattern[str] = values["watchers_regex"]
        self.msg_regex: re.Pattern[str] = values["msg_regex"]
        self.max_count: int = values["max_count"]
        self.watchdog_ip: str = values["ip"]
        self.watchdog_port: int = values["port"]
        self.watchers_stop_signal: int | None = values["watchers_stop_signal"]
        self.watchers_graceful_timeout: float | None = values["watchers_graceful_timeout"]
        self.pid_status: dict[str, dict[str, Any]] = {}
        self.starting = True
        self.sock: socket.socket | None = None
        self.period: PeriodicCallback | None = None
        #: Watchers that the daemon has told of, by the names that events carry.
        self._names: set[str] = set()

    def handle_init(self) -> None:
        """Check periodically and listen for heart beats from now on."""
        from tornado.ioloop import PeriodicCallback  # kept off the start path of circusd

        self.period = PeriodicCallback(self.look_after, self.loop_rate * 1000)
        self.period.start()
        self._bind()

    def handle_stop(self) -> None:
        """Check and listen no more."""
        if self.period is not None:
            self.period.stop()
        if self.sock is not None:
            self.loop.remove_handler(self.sock.fileno())
            self.sock.close()
            self.sock = None

    def _bind(self) -> None:
        address = (self.watchdog_ip, self.watchdog_port)
        sock = None
        try:
            family, kind, proto, _, resolved = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
            sock = socket.socket(family, kind, proto)
            sock.setblocking(False)
            sock.bind(resolved)
        except OSError as error:
            if sock is not None:
                sock.close()
            logger.error("watchdog cannot listen on %s:%s and ends nothing; trying again in %g s: %s",
                         *address, self.loop_rate, error)
            return
        self.sock = sock
        self.loop.add_handler(sock.fileno(), self.receive_udp_socket, self.loop.READ)
        for status in self.pid_status.values():  # nobody was heard until now
            status["last_activity"] = time.monotonic()

    # -- which processes there are ---------------------------------------------------------------------------

    def handle_recv(self, data: list[Any]) -> None:
        """Take notice of processes that come and go."""
        watcher, action, message = self.split_data(data)
        if action not in ("spawn", "reap"):
            return
        if watcher not in self._names:
            self.starting = True  # a new one: its full name may match, too
        payload = self.load_message(message) if message else {}
        pid = payload.get("process_pid")
        if pid is None:
            logger.warning("watchdog: event %s of %s without process_pid is ignored", action, watcher)
        elif action == "reap":
            self.pid_status.pop(str(pid), None)
        elif self._is_watched(watcher):
            self._add(str(pid), watcher)

    def _is_watched(self, watcher: str) -> bool:
        if watcher.startswith("plugin:") or watcher in _OWN:
            return False
        return self.watchers_regex.match(watcher) is not None

    def _add(self, pid: str, watcher: str) -> None:
        logger.debug("watchdog: process %s of %s is expected to send heart beats", pid, watcher)
        self.pid_status[pid] = {"watcher": watcher, "last_activity": time.monotonic()}

    def _discover(self) -> None:
        """Ask for all watchers and the processes of those that match.

        :raises CallError: the daemon does not answer.
        """
        watchers = self.call("list").get("watchers") or []
        for watcher in filter(self._is_watched, watchers):
            for pid in self.call("list", name=watcher).get("pids") or ():
                if str(pid) not in self.pid_status:
                    self._add(str(pid), watcher)
        self._names.update(watcher.lower().replace(" ", "_") for watcher in watchers)
        self.starting = False

    # -- heart beats -----------------------------------------------------------------------------------------

    def receive_udp_socket(self, fd: int, events: int) -> None:
        """Take in the heart beats that are there."""
        while self.sock is not None:
            try:
                beat, sender = self.sock.recvfrom(_LONGEST_BEAT)
            except BlockingIOError:
                return
            except OSError as error:
                logger.warning("watchdog cannot read a heart beat: %s", error)
                return
            self._note_beat(beat, sender)

    def _note_beat(self, beat: bytes, sender: Any) -> None:
        found = self.msg_regex.match(beat.decode("utf-8", "replace"))
        if found is None:
            logger.warning("watchdog: a heart beat from %s is not understood: %r", sender, beat[:100])
            return
        status = self.pid_status.get((found["pid"] or "").strip())
        if status is None:
            logger.warning("watchdog: heart beat of an unknown process: %r", found["pid"])
        else:
            status["last_activity"] = time.monotonic()

    # -- the check -------------------------------------------------------------------------------------------

    def look_after(self) -> None:
        """End the processes that have been silent for too long."""
        if self.starting:
            try:
                self._discover()
            except CallError as error:
                logger.warning("watchdog: the daemon did not tell its processes, asking again in %g s: %s",
                               self.loop_rate, error)
        if self.sock is None:
            self._bind()
            return  # nobody could be heard, so nobody was silent
        # Beats that came while we had no turn, or waited for the daemon, count before anybody is judged.
        self.receive_udp_socket(self.sock.fileno(), self.loop.READ)
        limit = self.loop_rate * self.max_count
        now = time.monotonic()
        for pid, status in list(self.pid_status.items()):
            silence = now - status["last_activity"]
            if silence > limit:
                logger.error("watcher:%s, process %s has sent no heart beat for %.1f s: it is ended",
                             status["watcher"], pid, silence)
                self._end(pid, status["watcher"])

    def _end(self, pid: str, watcher: str) -> None:
        props: dict[str, Any] = {"name": watcher, "pid": int(pid)}
        if self.watchers_stop_signal is not None:
            props["signum"] = self.watchers_stop_signal
        if self.watchers_graceful_timeout is not None:
            props["graceful_timeout"] = self.watchers_graceful_timeout
        self.cast("kill", **props)
        del self.pid_status[pid]
