"""``StatsStreamer``, as programs for Circus 0.19 use it (spec stats-web.md 3): the old face of circusd-stats.

Started, it is run by :class:`circus.stats.service.StatsService`, and its tables follow the service. Not started, the
tables can be filled by hand, and collectors of :mod:`circus.stats.collector` read them.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from typing import Any

import zmq

from circus.base.logs import logger
from circus.base.tasks import unwrap_loop
from circus.client import CircusClient
from circus.stats.collector import SocketStatsCollector, WatcherStatsCollector
from circus.stats.publisher import StatsPublisher
from circus.stats.service import StatsService
from circus.system.transport import get_connection


class StatsStreamer:
    """Measures the processes of a daemon and publishes statistics.

    :param endpoint: the control endpoint of circusd.
    :param pubsub_endoint: where it publishes events.
    :param stats_endpoint: where to publish statistics.
    :param ssh_server: ``[user@]host[:port]`` to reach circusd through.
    :param delay: seconds between two samples.
    :param loop: an asyncio loop or Tornado IOLoop that the caller runs; without one, :meth:`start` runs its own.
    :raises OSError: zmq.ZMQError: the stats endpoint cannot be bound.
    """

    def __init__(
        self, endpoint: str, pubsub_endoint: str, stats_endpoint: str, ssh_server: str | None = None,
        delay: float = 1.0, loop: Any = None,
    ) -> None:
        self.topic = b"watcher."
        self.delay = delay
        self.endpoint, self.pubsub_endpoint, self.stats_endpoint = endpoint, pubsub_endoint, stats_endpoint
        self.ssh_server = ssh_server
        self.ctx: zmq.Context[Any] = zmq.Context()
        self._own_loop = loop is None
        self.loop = loop if loop is not None else asyncio.new_event_loop()
        self.sub_socket = self.ctx.socket(zmq.SUB)
        self.sub_socket.setsockopt(zmq.LINGER, 0)
        self.sub_socket.setsockopt(zmq.RCVHWM, 0)
        self.sub_socket.setsockopt(zmq.SUBSCRIBE, self.topic)
        get_connection(self.sub_socket, pubsub_endoint, ssh_server)
        #: What reads the events, once started.
        self.substream: Any = None
        self.client = CircusClient(context=self.ctx, endpoint=endpoint, ssh_server=ssh_server)
        self.publisher = StatsPublisher(stats_endpoint, self.ctx, tells=True)
        self._initialize()

    def _initialize(self) -> None:
        """Make the tables, and nothing else."""
        #: Pids by watcher, as in topics.
        self._pids: dict[str, list[int]] = defaultdict(list)
        #: Collectors by name; none while the service measures.
        self._callbacks: dict[str, Any] = {}
        self.circus_pids: dict[int, str] = {}
        self.sockets: list[tuple[Any, str, int]] = []
        self.running = False
        self.stopped = False
        self.get_watchers: Any = self._pids.keys
        self._service: StatsService | None = None

    @property
    def cmds(self) -> Any:
        """The commands of circusd by name."""
        from circus.commands import get_commands

        return get_commands()

    # -- tables ---------------------------------------------------------------------------------------------

    def get_pids(self, watcher: str | None = None) -> Iterable[int]:
        """Pids of a watcher; of circusd and its programs for ``circus``; without a name those of all watchers."""
        if watcher == "circus":
            return list(self.circus_pids)
        if watcher is not None:
            return self._pids.get(watcher, [])
        return chain.from_iterable(self._pids.values())

    def get_circus_pids(self) -> dict[int, str]:
        """Ask the daemon for its pid and those of its own programs."""
        watchers = self.client.send_message("list").get("watchers") or ()
        pids = {os.getpid(): "circusd-stats"}
        daemon = (self.client.send_message("dstats").get("info") or {}).get("pid")
        if daemon is not None:
            pids[daemon] = "circusd"
        if "circushttpd" in watchers:
            consoles: list[int] = self.client.send_message("list", name="circushttpd").get("pids") or []
            if len(consoles) == 1:
                pids[consoles[0]] = "circushttpd"
        return pids

    def remove_pid(self, watcher: str, pid: int) -> None:
        """Forget a process; the collector of its watcher stops with the last one."""
        pids = self._pids.get(watcher)
        if pids is None or pid not in pids:
            return
        logger.debug("Removing %s from %s", pid, watcher)
        pids.remove(pid)
        if not pids:
            logger.debug("Stopping the periodic callback for %s", watcher)
            collector = self._callbacks.get(watcher)
            if collector is not None:
                collector.stop()

    def _append_pid(self, watcher: str, pid: int) -> None:
        pids = self._pids.setdefault(watcher, [])
        if not pids:
            logger.debug("Starting the periodic callback for %s", watcher)
            self._add_callback(watcher)
        if pid not in pids:
            logger.debug("Adding %s in %s", pid, watcher)
            pids.append(pid)

    def _add_callback(self, name: str, start: bool = True, kind: str = "watcher") -> None:
        """Have a collector of its own for ``name``; ``kind`` is ``watcher`` or ``socket``."""
        if self._service is not None:
            return  # it measures everybody at once
        if name not in self._callbacks:
            make = {"watcher": WatcherStatsCollector, "socket": SocketStatsCollector}[kind]
            self._callbacks[name] = make(self, name, self.delay, self.loop)
        if start:
            self._callbacks[name].start()

    def stop_watcher(self, watcher: str) -> None:
        """Forget all processes of a watcher."""
        for pid in list(self._pids.get(watcher, ())):
            self.remove_pid(watcher, pid)

    # -- events ---------------------------------------------------------------------------------------------

    def handle_recv(self, data: Any) -> None:
        """One event, as topic and JSON."""
        if self._service is not None:
            self._service.take_event(data)
            return
        try:
            topic = bytes(data[0]).decode("utf-8")
            _, _, rest = topic.partition(".")
            watcher, _, event = rest.rpartition(".")
            payload = json.loads(data[-1])
            if event == "spawn":
                self._append_pid(watcher, payload["process_pid"])
            elif event == "reap":
                self.remove_pid(watcher, payload["process_pid"])
            elif event == "stop":
                self.stop_watcher(watcher)
            else:  # one that was sent a signal may survive it
                logger.debug("Unknown action: %r", event)
        except Exception:  # a border: one bad event must not end the stream
            logger.exception("Failed to handle %r", data)

    # -- life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Find out what runs, then measure and publish; blocks until :meth:`stop` unless a loop was given."""
        logger.info("Starting the stats streamer")
        loop = unwrap_loop(self.loop)
        self._service = service = StatsService(
            self.endpoint, self.pubsub_endpoint, self.stats_endpoint, ssh_server=self.ssh_server, interval=self.delay,
            context=self.ctx,
        )
        service.on_roster = self._follow
        service.start(loop, self.publisher, self.sub_socket)
        self.substream = service.reader
        self.running = True
        if self._own_loop:
            loop.run_forever()
            loop.close()

    def _follow(self) -> None:
        """The service knows more: take it over into the tables."""
        service = self._service
        if service is None:
            return
        self._pids.clear()
        for entry in service.roster.groups():
            self._pids[entry.res_name] = list(entry.workers)
        self.circus_pids = {os.getpid(): "circusd-stats", **service.roster.roles()}
        self.sockets = [(each.sock, each.address, each.fd) for each in service.managed_sockets() if each.sock]

    def stop(self) -> None:
        """End everything. May be called more than once."""
        if self.stopped:
            return
        self.running, self.stopped = False, True
        for collector in self._callbacks.values():
            collector.stop()
        service, self._service = self._service, None
        if service is not None:
            service.stop()
        self.client.stop()
        self.publisher.stop()
        self.sub_socket.close()
        self.ctx.destroy(linger=0)
        if self._own_loop:
            if self.loop.is_running():
                self.loop.stop()
            else:
                self.loop.close()
        logger.info("Stats streamer stopped")
