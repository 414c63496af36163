"""``circusd-stats`` itself: listens to a daemon, measures its processes once per period, publishes, remembers.

:class:`StatsService` is what the program runs and what :class:`circus.stats.streamer.StatsStreamer` starts. One timer
serves everything; between two ticks it only takes events, connections and questions as they come. A daemon that does
not answer, or that has been replaced by another one, is asked again until it does.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import zmq

from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER, DEFAULT_ENDPOINT_STATS, DEFAULT_ENDPOINT_SUB
from circus.base.logs import logger
from circus.client import ReplyReader, make_message
from circus.exc import CallError
from circus.model.messages import encode
from circus.model.samples import SOCKETS, encode_topic
from circus.stats.calls import DaemonCalls
from circus.stats.history import Memory, QueryService
from circus.stats.publisher import StatsPublisher
from circus.stats.roster import Roster, topic_name
from circus.stats.sampler import BatchSampler, Group
from circus.stats.sockets import ManagedSocket, SocketWatch
from circus.system.transport import get_connection

#: Seconds between two snapshots when nothing calls for one.
RESYNC_EVERY = 10.0
#: Seconds from an event that calls for one to the snapshot: events come in swarms.
RESYNC_SOON = 0.1
#: Seconds until a daemon that did not answer is asked again.
RETRY_AFTER = 1.0


class StatsService:
    """Statistics of one daemon.

    :param endpoint: the control endpoint of circusd.
    :param pubsub_endpoint: where it publishes events.
    :param stats_endpoint: where to publish; questions about the past are answered next to it.
    :param ssh_server: ``[user@]host[:port]`` to reach circusd through.
    :param interval: seconds between two samples.
    :param metrics: where to serve metrics, as ``http://host:port/path`` or ``host:port``; None for nowhere.
    :param context: a ZeroMQ context; the process-wide one by default.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT_DEALER,
        pubsub_endpoint: str = DEFAULT_ENDPOINT_SUB,
        stats_endpoint: str = DEFAULT_ENDPOINT_STATS,
        *,
        ssh_server: str | None = None,
        interval: float = 1.0,
        metrics: str | None = None,
        context: Any = None,
    ) -> None:
        self.endpoint, self.pubsub_endpoint, self.stats_endpoint = endpoint, pubsub_endpoint, stats_endpoint
        self.ssh_server, self.interval, self._metrics_at = ssh_server, interval, metrics
        self.context = context if context is not None else zmq.Context.instance()
        self.loop: Any = None
        self.roster = Roster()
        self.sampler = BatchSampler(self.roster)
        self.memory = Memory(interval)
        #: What was measured last, and its instant.
        self.groups: list[Group] = []
        self.sockets: list[dict[str, Any]] = []
        self.measured_at = 0.0
        self.measuring_took = 0.0
        #: The reply to ``dstats`` of the last snapshot; None while the daemon does not answer.
        self.daemon_info: Mapping[str, Any] | None = None
        #: Called when more is known of who there is.
        self.on_roster: Callable[[], object] | None = None
        #: Called when the program is to end, by itself or by :meth:`stop`.
        self.on_stop: Callable[[], object] | None = None
        self.publisher: StatsPublisher | None = None
        self._queries: QueryService | None = None
        self._metrics: Any = None
        self._watch: SocketWatch | None = None
        self._calls: DaemonCalls | None = None
        self._events: Any = None
        #: What reads the events.
        self.reader: ReplyReader | None = None
        self._timer: Any = None
        self._due = 0.0
        self._sync_timer: Any = None
        self._sync_at = 0.0
        self._syncing = False
        self._parent = os.getppid()
        self._has_listed: Any = None
        #: What arrived and was refused at each socket since we run, by descriptor; host-wide refusals.
        self._arrived: dict[int, list[int]] = {}
        self._overflows: int | None = None

    # -- up and down ----------------------------------------------------------------------------------------

    def start(self, loop: Any, publisher: StatsPublisher | None = None, events: Any = None) -> None:
        """Bind, subscribe, and ask for the first snapshot; everything else follows on ``loop``.

        :param publisher: one that is bound already.
        :param events: a SUB socket that is connected already.
        :raises OSError: zmq.ZMQError: the stats endpoint cannot be bound. :raises TransportError: no ssh tunnel.
        """
        self.loop = loop
        self.publisher = publisher or StatsPublisher(self.stats_endpoint, self.context, tells=True)
        self._queries = QueryService(loop, self.memory, self.latest, self.endpoints, self._is_measured)
        self._queries.bind(self.context, self.publisher.endpoint)
        self._watch = SocketWatch(loop)
        self._events = events if events is not None else self._subscribe()
        self._calls = DaemonCalls(loop, self.context, self.endpoint, self.ssh_server)
        self.reader = ReplyReader(self._events, self.take_event)
        self.reader.attach(loop)
        if self._metrics_at:
            from circus.stats.exposition import MetricsServer  # most have none

            try:
                self._metrics = MetricsServer(loop, self._metrics_at, self._figures)
                self._metrics.start()
            except ValueError as error:  # statistics are worth having without
                logger.error("no metrics: %s", error)
        self._resync()
        self._due = loop.time()
        self._schedule()

    def _subscribe(self) -> Any:
        socket = self.context.socket(zmq.SUB)
        socket.linger = 0
        socket.setsockopt(zmq.RCVHWM, 0)  # an event lost is a process missed
        socket.setsockopt(zmq.SUBSCRIBE, b"watcher.")
        get_connection(socket, self.pubsub_endpoint, self.ssh_server)
        return socket

    def stop(self) -> None:
        """Close everything. May be called more than once."""
        for timer in (self._timer, self._sync_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._sync_timer = None
        for part in (self.reader, self._metrics, self._queries, self._watch, self._events, self._calls):
            if part is not None:
                part.close()
        if self.publisher is not None:
            self.publisher.stop()
        self.reader = self._metrics = self._queries = self._watch = self._events = self._calls = self.publisher = None
        self.sampler.close()
        done, self.on_stop = self.on_stop, None
        if done is not None:
            done()

    # -- the roster -----------------------------------------------------------------------------------------

    def take_event(self, frames: list[bytes]) -> None:
        """One event of the daemon."""
        try:
            payload = json.loads(frames[-1])
            stirred = self.roster.take_event(frames[0], payload)
            if frames[0].endswith(b".reap"):
                self.sampler.forget(int(payload["process_pid"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # hooks publish events of their own
            logger.debug("event %r is not understood: %s", frames[:1], error)
            return
        if stirred:
            self._resync_in(RESYNC_SOON)
        if self.on_roster is not None:
            self.on_roster()

    def _resync_in(self, seconds: float) -> None:
        """Ask for a snapshot then, or earlier."""
        when = self.loop.time() + seconds
        if self._sync_timer is not None:
            if self._sync_at <= when:
                return
            self._sync_timer.cancel()
        self._sync_at = when
        self._sync_timer = self.loop.call_at(when, self._resync)

    def _resync(self) -> None:
        self._sync_timer = None
        if self._calls is None or self._syncing:
            self._resync_in(RETRY_AFTER)
            return
        self._syncing = True
        self.roster.snapshot_asked()
        self._calls.ask(make_message("dstats", watchers=True), self._take_snapshot)
        self._calls.ask(make_message("listsockets"), self._take_sockets)

    def _take_snapshot(self, reply: Mapping[str, Any], failure: CallError | None) -> None:
        self._syncing = False
        if "info" not in reply:
            self._no_answer(failure or CallError(str(reply.get("reason"))))
            return
        if self.daemon_info is None:
            logger.info("in touch with circusd, pid %s", reply["info"].get("pid"))
        self.daemon_info = reply["info"]
        if "watchers" in reply:
            self._use_snapshot(reply)
        else:
            self._ask_old_daemon(reply)

    def _use_snapshot(self, reply: Mapping[str, Any]) -> None:
        self.roster.take_snapshot(reply)
        self._resync_in(RESYNC_EVERY)
        if self.on_roster is not None:
            self.on_roster()

    def _no_answer(self, failure: BaseException) -> None:
        if self.daemon_info is not None:
            logger.warning("circusd does not answer at %s: %s", self.endpoint, failure)
        self.daemon_info = None
        self.roster.snapshot_failed()
        self._resync_in(RETRY_AFTER)

    def _ask_old_daemon(self, dstats: Mapping[str, Any]) -> None:
        """A daemon of an older release tells names and pids only, one watcher at a time."""
        calls, watchers = self._calls, dict[str, Any]()
        assert calls is not None

        def take_names(reply: Mapping[str, Any], failure: CallError | None) -> None:
            ask_next(iter(reply.get("watchers", ())), failure)

        def ask_next(names: Iterator[str], failure: CallError | None) -> None:
            if failure is not None:
                self._no_answer(failure)
                return
            name = next(names, None)
            if name is None:
                self._use_snapshot({**dstats, "watchers": watchers})
                return

            def take_pids(reply: Mapping[str, Any], failure: CallError | None) -> None:
                workers: dict[str, Any] = {str(pid): {} for pid in reply.get("pids", ())}
                watchers[name] = {"res_name": topic_name(name), "workers": workers}
                ask_next(names, failure)

            calls.ask(make_message("list", name=name), take_pids)

        calls.ask(make_message("list"), take_names)

    def _take_sockets(self, reply: Mapping[str, Any], failure: CallError | None) -> None:
        listed = reply.get("sockets")
        if self._watch is None or failure is not None:
            return
        if isinstance(listed, list) and listed != self._has_listed:
            self._watch.update(listed)
            self._has_listed = listed
            if self.on_roster is not None:
                self.on_roster()

    # -- ticks ----------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        now = self.loop.time()
        self._due += self.interval
        if self._due <= now:  # the machine was asleep, or a tick took longer than the interval
            self._due = now + self.interval
        self._timer = self.loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        try:
            self.measure()
        except Exception:  # a border: the next tick shall come
            logger.exception("measuring failed")
        if self.publisher is not None:
            self._schedule()

    def measure(self) -> None:
        """One look at everything: publish and remember it."""
        if self._is_orphaned():
            logger.warning("circusd (pid %s), which started this process, is gone; ending", self._parent)
            self.stop()
            return
        assert self.publisher is not None
        assert self._watch is not None
        began = time.perf_counter()
        now = round(time.time(), 3)
        self.groups = []  # thousands of messages need not be there twice
        self.groups = self.sampler.measure(now)
        self.sockets = self._watch.take()
        for told in self.sockets:
            told["time"] = now
            self._count(told)
        daemons = self.groups[-1]
        daemons.whole.update(self.endpoints())
        if self.daemon_info is not None:
            daemons.whole["loop_stall_max"] = self.daemon_info.get("loop_stall_max")
            if self.roster.daemon_pid not in daemons.infos:
                self._resync_in(0.0)  # the daemon is gone: see whether there is another one
        self.memory.take(self.groups, now)
        self.measured_at = now
        self._publish()
        self.measuring_took = time.perf_counter() - began

    def _is_orphaned(self) -> bool:
        return self._parent == self.roster.daemon_pid and os.getppid() != self._parent

    def _publish(self) -> None:
        publisher = self.publisher
        assert publisher is not None
        publisher.take_subscriptions()
        send = publisher.send
        for group in self.groups:
            topic = encode_topic(group.name)
            if publisher.wants(topic):
                prefix = topic + b"."
                for pid, info in group.infos.items():
                    send(prefix + b"%d" % pid, encode(info))
                send(topic, encode(group.whole))
        if self.sockets and publisher.wants(encode_topic(SOCKETS)):
            for told in self.sockets:
                send(encode_topic(SOCKETS, told.get("subtopic")), encode(told))

    def _count(self, told: Mapping[str, Any]) -> None:
        """Add up what is published per period, for metrics, which count from the beginning."""
        fd = told.get("fd")
        if fd is None:  # the message about all sockets
            if told["overflows"] is not None:
                self._overflows = (self._overflows or 0) + told["overflows"]
            return
        counts = self._arrived.setdefault(fd, [0, 0])
        counts[0] += told["reads"]
        counts[1] += told["drops"] or 0

    # -- answers --------------------------------------------------------------------------------------------

    def endpoints(self) -> dict[str, Any]:
        """Where what is to be had: ``query_endpoint`` and the interval, as told under ``stat.circus``."""
        return {
            "query_endpoint": self._queries.endpoint if self._queries is not None else None,
            "stats_endpoint": self.publisher.endpoint if self.publisher is not None else None,
            "metrics_endpoint": self._metrics.url if self._metrics is not None else None,
            "interval": self.interval,
        }

    def managed_sockets(self) -> list[ManagedSocket]:
        """The sockets that are watched."""
        return list(self._watch.sockets.values()) if self._watch is not None else []

    def latest(self) -> dict[str, Any]:
        """The newest messages by topic."""
        found: dict[str, Any] = {}
        for group in self.groups:
            for pid, info in group.infos.items():
                found[encode_topic(group.name, pid).decode()] = info
            found[encode_topic(group.name).decode()] = group.whole
        for told in self.sockets:
            found[encode_topic(SOCKETS, told.get("subtopic")).decode()] = told
        return found

    def _is_measured(self, pid: int) -> bool:
        return any(pid in group.infos for group in self.groups)

    def _figures(self) -> Any:
        """What metrics are made of."""
        from circus.stats.metrics import Snapshot

        sockets = []
        for told in self.sockets:
            if "fd" in told:
                reads, drops = self._arrived[told["fd"]]
                known = told["drops"] is not None
                sockets.append({**told, "reads_total": reads, "drops_total": drops if known else None})
        stall = self.daemon_info.get("loop_stall_max") if self.daemon_info is not None else None
        return Snapshot(
            self.groups, sockets, self.daemon_info is not None, stall, self.measuring_took, self._overflows
        )
