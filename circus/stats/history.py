"""The past of everything that is measured, and the second socket on which it can be asked for.

:class:`Memory` keeps ten minutes at full rate, and a day by minutes of watchers only. :class:`QueryService` is a ROUTER
socket next to the PUB socket; it speaks the language of circusd's control endpoint (:mod:`circus.model.messages`), for
DEALER and REQ clients. Made by :class:`circus.stats.service.StatsService`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from circus.base.logs import logger
from circus.exc import MessageError
from circus.model.messages import (
    MESSAGE_ERROR,
    UNKNOWN_COMMAND,
    Request,
    RequestError,
    decode,
    encode,
    error,
    ok,
    quote,
    split_frames,
)
from circus.model.samples import PROCESS_COLUMNS, WATCHER_COLUMNS, Downsampler, History
from circus.stats.roster import topic_name
from circus.stats.sampler import Group, columns_of
from circus.system.router import RouterSocket
from circus.system.transport import bind_endpoint

#: Seconds kept at full rate, seconds kept by minutes, and seconds of such a minute.
RECENT, LONG, MINUTE = 600.0, 86400.0, 60.0
#: Samples kept at full rate, however short the interval.
MOST = 6000
#: Processes whose memory may be asked about at once.
MOST_PIDS = 200


class Memory:
    """The last ten minutes of everything, and the last day of watchers.

    :param interval: seconds between two samples.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self.recent = History(min(math.ceil(RECENT / interval), MOST))
        self.long = History(int(LONG / MINUTE))
        self._minutes = Downsampler(MINUTE)

    def take(self, groups: Iterable[Group], now: float) -> None:
        """Remember a look at everybody."""
        over = self._minutes.due(now)
        if over is not None:
            self.long.tick(over)
            for name, means in self._minutes.take(WATCHER_COLUMNS).items():
                self.long.record(name, WATCHER_COLUMNS, means)
        self.recent.tick(now)
        seen = set()
        for group in groups:
            for name, values in columns_of(group):
                seen.add(name)
                whole = name == group.name
                self.recent.record(name, WATCHER_COLUMNS if whole else PROCESS_COLUMNS, values)
                if whole:
                    self._minutes.add(name, values)
        for name in self.recent.names():
            if name not in seen:  # a process that has ended, or a watcher that was removed
                self.recent.forget(name)

    def tell(self, props: dict[str, Any]) -> Iterator[tuple[str, dict[str, list[float | None]]]]:
        """The series asked for by a ``history`` request, one after the other.

        :raises MessageError: for properties that make no sense.
        """
        resolution = props.get("resolution", "second")
        if resolution not in ("second", "minute"):
            raise MessageError(f"resolution is \"second\" or \"minute\", not {quote(resolution)}")
        source = self.recent if resolution == "second" else self.long
        since, name, pid = props.get("since"), props.get("name"), props.get("pid")
        if since is not None and (isinstance(since, bool) or not isinstance(since, (int, float))):
            raise MessageError(f"since is a number of seconds, not {quote(since)}")
        if name is not None and not isinstance(name, str):
            raise MessageError(f"name is the name of a watcher, not {quote(name)}")
        if pid is not None and (isinstance(pid, bool) or not isinstance(pid, int)):
            raise MessageError(f"pid is a number, not {quote(pid)}")
        return ((key, source.series(key, since)) for key in self._chosen(source, name, pid))

    @staticmethod
    def _chosen(source: History, name: str | None, pid: int | None) -> list[str]:
        names = source.names()
        if name is not None:
            wanted = topic_name(name)
            names = [
                each for each in names
                if each == wanted or (each.startswith(wanted + ".") and each[len(wanted) + 1:].isdecimal())
            ]
        if pid is not None:
            names = [each for each in names if each.endswith(f".{pid}")]
        return names


class QueryService:
    """Answers questions about the past.

    :param loop: an object with asyncio's method names.
    :param memory: what is remembered.
    :param latest: called for the newest messages, by topic.
    :param endpoints: called for what is answered to ``endpoints``.
    :param is_measured: whether a pid is one of those that are measured; nothing is told of others.
    """

    def __init__(
        self,
        loop: Any,
        memory: Memory,
        latest: Callable[[], dict[str, Any]],
        endpoints: Callable[[], dict[str, Any]],
        is_measured: Callable[[int], bool] = lambda pid: False,
    ) -> None:
        self._loop, self._memory, self._latest, self._endpoints = loop, memory, latest, endpoints
        self._is_measured = is_measured
        self._router = RouterSocket(loop, self._on_message)
        self._bound: Any = None
        #: Where it listens, once it does.
        self.endpoint = ""

    def bind(self, context: Any, stats_endpoint: str) -> None:
        """Listen next to the PUB socket: the same host and any free port, or the same path and ``.query``.

        :raises OSError: zmq.ZMQError: it cannot.
        """
        import zmq

        endpoint = query_endpoint(stats_endpoint)
        self._bound = bind_endpoint(endpoint)
        self._router.bind(context, endpoint, self._bound)
        self.endpoint = str(self._router.socket.getsockopt_string(zmq.LAST_ENDPOINT))
        self._router.start()

    def close(self) -> None:
        """Stop listening. May be called more than once."""
        self._router.close()
        if self._bound is not None:
            self._bound.unlink()
            self._bound = None

    def _on_message(self, frames: list[bytes]) -> None:
        envelope = split_frames(frames)
        if envelope is None:
            logger.warning("got unexpected message %s", quote(frames))
            return
        route, payload = envelope
        try:
            request = decode(payload)
        except RequestError as bad:
            if not bad.cast:
                self._router.send(route, encode({**error(bad.reason, errno=bad.errno), "id": bad.id}))
            return
        try:
            self._answer(route, request)
        except MessageError as bad_message:
            self._reply(route, request, error(str(bad_message), errno=MESSAGE_ERROR))

    def _answer(self, route: Any, request: Request) -> None:
        command = request.command.lower()
        if command == "history":
            series = self._memory.tell(request.properties)
            interval = MINUTE if request.properties.get("resolution") == "minute" else self._memory.interval
            self._gather(route, request, series, [], interval)
        elif command == "snapshot":
            self._reply(route, request, ok({"stats": self._latest(), "interval": self._memory.interval}))
        elif command == "endpoints":
            self._reply(route, request, ok(self._endpoints()))
        elif command == "memory":
            self._weigh(route, request, _pids_of(request), {})
        else:
            reason = f"unknown command: {quote(request.command)} (there are history, snapshot, memory and endpoints)"
            self._reply(route, request, error(reason, errno=UNKNOWN_COMMAND))

    def _gather(
        self, route: Any, request: Request, series: Iterator[tuple[str, dict[str, list[float | None]]]],
        parts: list[bytes], interval: float,
    ) -> None:
        """Put a reply together, one series per turn of the loop: all may be many megabytes."""
        for name, columns in series:
            parts.append(encode({name: columns})[1:-1])
            self._loop.call_soon(self._gather, route, request, series, parts, interval)
            return
        head = encode({**ok({"interval": interval}), "id": request.id})
        if not request.cast:
            self._router.send(route, head[:-1] + b', "series": {' + b", ".join(parts) + b"}}")

    def _weigh(self, route: Any, request: Request, pids: list[int], told: dict[str, Any]) -> None:
        """Read what the kernel takes its time for, one process per turn of the loop."""
        if not pids:
            self._reply(route, request, ok({"memory": told}))
            return
        from circus.system.procshares import read_shares  # most never ask

        pid = pids.pop()
        told[str(pid)] = read_shares(pid) if self._is_measured(pid) else None
        self._loop.call_soon(self._weigh, route, request, pids, told)

    def _reply(self, route: Any, request: Request, reply: dict[str, Any]) -> None:
        if not request.cast:
            reply["id"] = request.id
            self._router.send(route, encode(reply))


def _pids_of(request: Request) -> list[int]:
    """The processes asked about by a ``memory`` request.

    :raises MessageError: it makes no sense.
    """
    pids = request.properties.get("pids")
    if not isinstance(pids, list) or any(isinstance(pid, bool) or not isinstance(pid, int) for pid in pids):
        raise MessageError(f"pids is a list of numbers, not {quote(pids)}")
    if len(pids) > MOST_PIDS:
        raise MessageError(f"{len(pids)} pids at once are too many; {MOST_PIDS} may be asked about")
    return list(pids)


def query_endpoint(stats_endpoint: str) -> str:
    """Where the queries that belong to a stats endpoint are answered, before a port is chosen."""
    if stats_endpoint.startswith("ipc://"):
        return "ipc://*" if stats_endpoint == "ipc://*" else f"{stats_endpoint}.query"
    head, colon, _ = stats_endpoint.rpartition(":")
    return f"{head}:*" if colon and stats_endpoint.startswith("tcp://") else f"{stats_endpoint}.query"
