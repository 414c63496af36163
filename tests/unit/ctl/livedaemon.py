"""A daemon that is only a script and has workers that write: ROUTER and XPUB, with output, events and their memory."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import threading
import time
from typing import Any, NamedTuple

import zmq

from harness.waiting import PATIENCE, eventually
from tests.unit.ctl.fakedaemon import FakeDaemon, refusal


class Worker(NamedTuple):
    """A worker that the test lets write."""

    watcher: str
    wid: int
    pid: int

    @property
    def res_name(self) -> str:
        return self.watcher.lower().replace(" ", "_")


class _Line(NamedTuple):
    worker: Worker
    stream: str
    time: float
    offset: int
    text: str


class LiveDaemon(FakeDaemon):
    """What the commands ``tail`` and ``events`` and the topics ``output.`` and ``watcher.`` do, by the book.

    Usable as a context manager. All methods but those of the base class are for the thread of the test.

    :param watchers: name -> whether its output is captured.
    :param events_endpoint: where to publish.
    """

    def __init__(
        self,
        watchers: dict[str, bool] | None = None,
        endpoint: str = "tcp://127.0.0.1:*",
        events_endpoint: str = "tcp://127.0.0.1:*",
    ) -> None:
        replies = {"tail": self._tail, "events": self._events, "globaloptions": self._where}
        super().__init__(replies, endpoint)
        self.watchers = watchers if watchers is not None else {"web": True, "db": True}
        self._wanted_events = events_endpoint
        self.run = os.urandom(4).hex()
        self.events: list[dict[str, Any]] = []
        self.forgotten = 0
        self._lines: list[_Line] = []
        self._ends: dict[tuple[Worker, str], int] = {}
        self._seqs: dict[tuple[Worker, str], int] = {}
        self._subscriptions: set[bytes] = set()
        self._lock = threading.Lock()
        self._answered: list[str] = []

    def __enter__(self) -> LiveDaemon:
        super().__enter__()
        self._events_context: zmq.Context[Any] = zmq.Context()
        self.publisher: Any = self._events_context.socket(zmq.XPUB)
        self.publisher.linger = 0
        self.publisher.bind(self._wanted_events)
        self.pubsub_endpoint = self.publisher.last_endpoint.decode().rstrip("\0")
        return self

    def stop(self) -> None:
        super().stop()
        self._events_context.destroy(linger=0)

    # -- what the test does ------------------------------------------------------------------------------------

    def await_subscription(self, prefix: str) -> None:
        """Wait until somebody listens to topics that begin with ``prefix``."""
        eventually(lambda: any(topic.startswith(prefix.encode()) for topic in self._heard()))

    def await_asked(self, command: str, times: int = 1) -> None:
        """Wait until a command has been asked for so often; what is written from then on is in none of the answers."""
        eventually(lambda: self._answered.count(command) >= times)

    def asked(self) -> list[str]:
        """The commands that were asked for, in their order."""
        return list(self._answered)

    def _heard(self) -> set[bytes]:
        while self.publisher.poll(0):
            message = self.publisher.recv()
            (self._subscriptions.add if message[0] else self._subscriptions.discard)(message[1:])
        return self._subscriptions

    def write(
        self,
        worker: Worker,
        *lines: str,
        stream: str = "stdout",
        publish: bool = True,
        keep: bool = True,
        lost: int = 0,
        at: float | None = None,
    ) -> None:
        """Let a worker write.

        :param publish: tell subscribers. :param keep: remember it for ``tail``.
        :param lost: so many lines before were skipped when publishing.
        """
        key, now = (worker, stream), time.time() if at is None else at
        with self._lock:
            begin = end = self._ends.get(key, 0)
            for line in lines:
                if keep:
                    self._lines.append(_Line(worker, stream, now, end, line))
                end += len(line.encode()) + 1
            self._ends[key] = end
        seq = self._seqs.get(key, 0) + lost
        self._seqs[key] = seq + len(lines)
        if publish:
            self._publish(worker, stream, now, begin, seq, list(lines), lost)

    def _publish(self, worker: Worker, stream: str, at: float, offset: int, seq: int, lines: Any, lost: int) -> None:
        message = {
            "watcher": worker.watcher, "res_name": worker.res_name, "wid": worker.wid, "pid": worker.pid,
            "stream": stream, "time": at, "offset": offset, "seq": seq, "lines": lines, "lost": lost,
        }  # fmt: skip
        topic = f"output.{worker.res_name}.{worker.wid}"
        self.publisher.send_multipart([topic.encode(), json.dumps(message).encode()])

    def happen(self, watcher: str, event: str, publish: bool = True, **payload: Any) -> None:
        """Let something happen to a watcher."""
        payload = {"time": time.time(), "cause": "a test", **payload}
        res_name = watcher.lower().replace(" ", "_")
        with self._lock:
            seq = len(self.events) + 1
            self.events.append({"seq": seq, "watcher": watcher, "res_name": res_name, "event": event, **payload})
        if publish:
            topic = f"watcher.{res_name}.{event}"
            self.publisher.send_multipart([topic.encode(), json.dumps({**payload, "seq": seq}).encode()])

    # -- what it answers ---------------------------------------------------------------------------------------

    def _answer(self, request: dict[str, Any]) -> list[bytes]:
        found = super()._answer(request)
        self._answered.append(request["command"])
        return found

    def _where(self, props: dict[str, Any]) -> dict[str, Any]:
        return {"options": {"pubsub_endpoint": self.pubsub_endpoint}}

    def _tail(self, props: dict[str, Any]) -> dict[str, Any]:
        try:
            chosen = self._find(props.get("name"))
        except KeyError as error:
            return refusal(f"program {error.args[0]} not found")
        if isinstance(props.get("name"), str) and len(chosen) == 1 and not self.watchers[next(iter(chosen))]:
            return refusal("the output of db is not captured")
        pids, streams = props.get("pid"), props.get("stream")
        with self._lock:
            found = [
                line
                for line in self._lines
                if line.worker.watcher in chosen and pids in (None, line.worker.pid)
                and streams in (None, line.stream) and line.time >= props.get("since", 0)
            ]  # fmt: skip
            ends = {f"{worker.pid}.{stream}": end for (worker, stream), end in self._ends.items()}
        newest = found[-props["lines"] :] if props["lines"] else []
        return {
            "time": time.time(),
            "lines": [
                {
                    "watcher": line.worker.watcher, "wid": line.worker.wid, "pid": line.worker.pid,
                    "stream": line.stream, "time": line.time, "offset": line.offset, "text": line.text,
                }
                for line in newest
            ],
            "ends": ends,
            "dropped": {},
            "captured": {name: self.watchers[name] for name in chosen},
        }  # fmt: skip

    def _find(self, names: Any) -> set[str]:
        if names is None:
            return set(self.watchers)
        chosen = set()
        for name in [names] if isinstance(names, str) else names:
            matching = {each for each in self.watchers if fnmatch.fnmatchcase(each.lower(), name.lower())}
            if not matching:
                raise KeyError(name)
            chosen |= matching
        return chosen

    def _events(self, props: dict[str, Any]) -> dict[str, Any]:
        name, since = props.get("name"), props.get("since")
        if name is not None and name.lower() not in {each.lower() for each in self.watchers}:
            return refusal(f"program {name} not found")
        with self._lock:
            kept = self.events[self.forgotten :]
            found = [event for event in kept if name in (None, event["watcher"])]
            last = len(self.events)
        if since is not None:
            found = [event for event in found if event["time" if since > 1e9 else "seq"] > since]
            found = found[: props["limit"]]
        return {
            "time": time.time(), "events": found[-props["limit"] :], "last": last,
            "first": self.forgotten + 1, "daemon": self.run,
        }  # fmt: skip


@contextlib.contextmanager
def successor_of(daemon: LiveDaemon) -> Any:
    """A fresh daemon at the endpoints of one that has stopped."""
    with LiveDaemon(daemon.watchers, daemon.endpoint, daemon.pubsub_endpoint) as successor:
        yield successor


__all__ = ["PATIENCE", "LiveDaemon", "Worker", "successor_of"]
