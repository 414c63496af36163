"""Collectors of statistics, as programs for Circus 0.19 build and subclass them (spec stats-web.md 3).

``circusd-stats`` itself does without: its one timer measures everybody at once (:mod:`circus.stats.service`). What
these classes measure and count comes from the same parts. ``util`` is a name of this module because programs replace
``collector.util.get_info``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from circus import util
from circus.base.logs import logger
from circus.base.tasks import unwrap_loop
from circus.model.samples import aggregate
from circus.stats.sockets import ManagedSocket, SocketWatch

__all__ = ["BaseStatsCollector", "SocketStatsCollector", "WatcherStatsCollector", "util"]


class BaseStatsCollector:
    """Publishes what :meth:`collect_stats` yields, over and over.

    :param streamer: has a ``publisher`` with ``publish(name, stat)``.
    :param name: what it is published under.
    :param callback_time: seconds between two collections; the first comes after one of them.
    :param io_loop: an asyncio loop or Tornado IOLoop; the current one by default.
    """

    def __init__(self, streamer: Any, name: str, callback_time: float = 1.0, io_loop: Any = None) -> None:
        self.streamer, self.name, self.callback_time, self.io_loop = streamer, name, callback_time, io_loop
        self._timer: Any = None

    @property
    def loop(self) -> Any:
        """The asyncio loop behind ``io_loop``."""
        return unwrap_loop(self.io_loop)

    def start(self) -> None:
        """Begin; does nothing when it runs already."""
        if self._timer is None:
            self._timer = self.loop.call_later(self.callback_time, self._run)

    def stop(self) -> None:
        """End. May be called more than once."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._timer is not None

    def _run(self) -> None:
        self._timer = self.loop.call_later(self.callback_time, self._run)
        self._callback()

    def _callback(self) -> None:
        logger.debug("Publishing stats about %s", self.name)
        for stat in self.collect_stats():
            if stat is not None:
                self.streamer.publisher.publish(self.name, stat)

    def collect_stats(self) -> Any:
        """The statistics of this moment; None among them is skipped."""
        raise NotImplementedError


class WatcherStatsCollector(BaseStatsCollector):
    """The processes of one watcher, or of Circus itself (``circus``), and their sum."""

    def collect_stats(self) -> Iterator[dict[str, Any]]:
        """Facts of each process that is there, then the sum of them."""
        infos = {}
        for pid in list(self.streamer.get_pids(self.name)):
            try:
                info = util.get_info(pid)
            except util.NoSuchProcess:
                continue  # its end is still on the way to us
            except Exception:  # one process must not keep the others from being told
                logger.exception("Failed to get info for %s", pid)
                continue
            infos[pid] = info
            told = {**info, "subtopic": pid}
            told["name"] = self.streamer.circus_pids.get(pid) if self.name == "circus" else None
            yield told
        yield self._aggregate(infos)

    def _aggregate(self, aggregate_stats: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        """The sum of facts by pid."""
        return aggregate(aggregate_stats)


class SocketStatsCollector(BaseStatsCollector):
    """Connections that arrive at sockets.

    :param streamer: has ``sockets``, triples of a socket, its address and its number; those it has now are watched.
    """

    def __init__(self, streamer: Any, name: str, callback_time: float = 1.0, io_loop: Any = None) -> None:
        super().__init__(streamer, name, callback_time, io_loop)
        self.sockets = list(streamer.sockets)
        self._watch: SocketWatch | None = None

    def _watching(self) -> SocketWatch:
        if self._watch is None:
            self._watch = SocketWatch(self.loop)
            for sock, address, fd in self.sockets:
                self._watch.add(ManagedSocket(fd, address, sock.dup()))
        return self._watch

    def start(self) -> None:
        """Begin; does nothing when it runs already."""
        self._watching()
        super().start()

    def stop(self) -> None:
        """End. May be called more than once."""
        super().stop()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def collect_stats(self) -> Iterator[dict[str, Any]]:
        """What arrived at each socket since the last time, then all together; nothing when there are no sockets."""
        yield from self._watching().take()
