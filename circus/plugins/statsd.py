"""Metrics for statsd servers: the client, the plugin that counts events, and the base of those that look
periodically.

The runner constructs the plugins; observers of other things (:mod:`circus.plugins.resource_watcher`, those for HTTP
and Redis, and those of users) derive from :class:`BaseObserver`. What a metric is good for is not known here.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from circus.base.convert import human2bytes
from circus.base.logs import logger
from circus.exc import CallError
from circus.plugins.base import CircusPlugin, is_awaitable
from circus.plugins.tables import FULL_STATS, STATSD_EMITTER

if TYPE_CHECKING:
    from tornado.ioloop import PeriodicCallback

#: Seconds between two attempts to find out where a server is that could not be reached.
_LOOK_UP_AGAIN = 30.0
#: What has a meaning in a datagram and so cannot be in a name.
_MARKS = str.maketrans(":|@\n", "____")


class StatsdClient:
    """Sends metrics to a statsd server by UDP. Nothing here waits for the server or fails without it.

    :param host: its name or address; default ``localhost``.
    :param port: its port; default 8125.
    :param prefix: put before every name, with a dot; default nothing.
    :param sample_rate: fraction of the metrics that is sent, from 0 to 1; default all.

    Source: spec plugins-hooks-streams.md 1.6.
    """

    def __init__(
        self, host: str | None = None, port: int | None = None, prefix: str | None = None, sample_rate: float = 1
    ) -> None:
        self.host, self.port = host or "localhost", port or 8125
        self.prefix, self.sample_rate = prefix, sample_rate
        self._socket: socket.socket | None = None
        self._closed = False
        self._next_look_up = 0.0

    def send(self, bucket: str, value: str, sample_rate: float | None = None) -> None:
        """Send one metric, or not, as the sample rate has it.

        :param bucket: its name; characters that mean something to statsd become underscores.
        :param value: number and type, such as ``1|c``.
        :param sample_rate: default: that of the client.
        """
        rate = self.sample_rate if sample_rate is None else sample_rate
        if rate != 1:
            from random import random  # kept off the start path of circusd

            if random() >= rate:
                return
            value = f"{value}|@{rate:g}"
        name = f"{self.prefix}.{bucket}" if self.prefix else bucket
        self._transmit(f"{name.translate(_MARKS)}:{value}".encode())

    def increment(self, bucket: str, delta: float = 1, sample_rate: float | None = None) -> None:
        """Add ``delta`` to a counter."""
        self.send(bucket, f"{delta}|c", sample_rate)

    def decrement(self, bucket: str, delta: float = 1, sample_rate: float | None = None) -> None:
        """Take ``delta`` from a counter."""
        self.increment(bucket, -delta, sample_rate)

    def gauge(self, bucket: str, value: float, sample_rate: float | None = None) -> None:
        """Set a gauge."""
        self.send(bucket, f"{value}|g", sample_rate)

    def timed(self, bucket: str, value: float, sample_rate: float | None = None) -> None:
        """Tell how many milliseconds something took."""
        self.send(bucket, f"{value}|ms", sample_rate)

    def stop(self) -> None:
        """Close the socket; what is sent afterwards goes nowhere. May be called more than once."""
        self._closed = True
        self._disconnect()

    def _transmit(self, datagram: bytes) -> None:
        connected = self._socket or self._connect()
        if connected is None:
            return
        try:
            connected.send(datagram)
        except (BlockingIOError, ConnectionRefusedError):
            pass  # the network is busy, or nobody listens at present: a metric more or less
        except OSError as error:
            self._complain(error)

    def _connect(self) -> socket.socket | None:
        """A connected socket: the server is looked up once, not with every metric."""
        if self._closed or time.monotonic() < self._next_look_up:
            return None
        try:
            family, kind, proto, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, proto)
            self._socket.setblocking(False)
            self._socket.connect(address)
        except OSError as error:
            self._complain(error)
        return self._socket

    def _complain(self, error: OSError) -> None:
        logger.warning("statsd at %s:%s cannot be reached: %s", self.host, self.port, error)
        self._disconnect()
        self._next_look_up = time.monotonic() + _LOOK_UP_AGAIN

    def _disconnect(self) -> None:
        closing, self._socket = self._socket, None
        if closing is not None:
            closing.close()


class StatsdEmitter(CircusPlugin):
    """Counts every event of every watcher: ``circus.<application_name>.watcher.<watcher>.<event>``.

    Parameters: see :class:`~circus.plugins.base.CircusPlugin`; options: :data:`~circus.plugins.tables.STATSD_EMITTER`.
    """

    name = "statsd"
    option_table = STATSD_EMITTER
    #: ``application_name`` of sub-classes that have no table of their own.
    default_app_name = "app"

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        values = self.option_values
        self.app: str = values["application_name"] if "application_name" in config else self.default_app_name
        self.prefix = f"circus.{self.app}.watcher"
        self.statsd = StatsdClient(values["host"], values["port"], self.prefix, values["sample_rate"])

    def handle_recv(self, data: list[Any]) -> None:
        """Count one event."""
        watcher, action, _ = self.split_data(data)
        self.statsd.increment(f"{watcher}.{action}")

    def stop(self) -> None:
        """Close the client, then stop."""
        self.statsd.stop()
        super().stop()


class BaseObserver(StatsdEmitter):
    """Looks at something every ``loop_rate`` seconds; override :meth:`look_after`."""

    option_table = FULL_STATS

    def __init__(self, *args: Any, **config: Any) -> None:
        super().__init__(*args, **config)
        self.loop_rate: float = self.option_values["loop_rate"]
        self.period: PeriodicCallback | None = None

    def handle_init(self) -> None:
        """Look periodically from now on; the first time after one whole period."""
        from tornado.ioloop import PeriodicCallback  # kept off the start path of circusd

        self.period = PeriodicCallback(self._look, self.loop_rate * 1000)
        self.period.start()

    def handle_stop(self) -> None:
        """Look no more."""
        if self.period is not None:
            self.period.stop()
        self.statsd.stop()

    def handle_recv(self, data: list[Any]) -> None:
        """Ignore the event."""

    def look_after(self) -> Awaitable[None] | None:
        """Look once; may be ``async``. The next look waits for the end of this one."""
        raise NotImplementedError()

    def _look(self) -> Awaitable[None] | None:
        try:
            pending = self.look_after()
        except CallError as error:
            self._tell(error)
            return None
        return self._finish(pending) if is_awaitable(pending) else None

    async def _finish(self, pending: Awaitable[None]) -> None:
        try:
            await pending
        except CallError as error:
            self._tell(error)

    def _tell(self, error: CallError) -> None:
        logger.warning("%s: the daemon did not answer, trying again in %g s: %s", self.name, self.loop_rate, error)


class FullStats(BaseObserver):
    """Sends what the processes of every watcher use, as gauges ``_stats.<watcher>.<figure>``."""

    name = "full_stats"

    def look_after(self) -> None:
        """Ask for the statistics and send them."""
        stats = self.call("stats")
        if stats["status"] == "error":
            self.statsd.increment("_stats.error")
            return
        for watcher, infos in stats["infos"].items():
            if not watcher.startswith("plugin:"):
                self._send(watcher, infos)

    def _send(self, watcher: str, infos: Mapping[str, Any]) -> None:
        gauge: Callable[[str, float], None] = self.statsd.gauge
        spawns = infos.get("spawn_count")
        if isinstance(spawns, (int, float)):
            gauge(f"_stats.{watcher}.spawn_count", spawns)
        processes = [info for info in infos.values() if isinstance(info, dict)]
        gauge(f"_stats.{watcher}.watchers_num", len(processes))
        for figure, numbers in (
            ("cpu", known(info.get("cpu") for info in processes)),
            ("mem_pct", known(info.get("mem") for info in processes)),
            ("mem", known(memory_of(info) for info in processes)),
        ):
            if numbers:
                gauge(f"_stats.{watcher}.{figure}_max", max(numbers))
                gauge(f"_stats.{watcher}.{figure}_sum", sum(numbers))


def known(values: Iterable[Any]) -> list[float]:
    """The numbers among values of which some are ``N/A``."""
    return [value for value in values if isinstance(value, (int, float))]


def memory_of(info: Mapping[str, Any]) -> float | None:
    """The bytes of resident memory of one process of a ``stats`` reply; None when the daemon cannot tell."""
    try:
        return human2bytes(info["mem_info1"])
    except (KeyError, TypeError, ValueError):
        return None
