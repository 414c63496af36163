"""A daemon and its circusd-stats that are only a script: all that circus-top talks to, on ipc endpoints.

It has two watchers: ``web`` with as many workers as wanted, and ``report``, which is stopped. Tests change what it
says; it writes down what it was asked.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import zmq

from tests.unit.top.stories import sample, total

SILENT = object()


class FakeDaemon:
    """Usable as a context manager.

    :param directory: where its endpoints are; short, as a unix socket's path is.
    :param workers: how many ``web`` has.
    :param streams: whether there is a statistics stream.
    :param is_old: knows none of the newer commands.
    """

    def __init__(self, directory: Path, workers: int = 3, *, streams: bool = True, is_old: bool = False) -> None:
        self.control, self.pubsub, self.stats = (f"ipc://{directory}/{name}" for name in ("c", "p", "s"))
        self.pids = list(range(101, 101 + workers))
        self.streams, self.is_old = streams, is_old
        self.requests: list[dict[str, Any]] = []
        self.replies: dict[str, Any] = {}
        self.subscribed: set[bytes] = set()
        self._told: list[tuple[str, str, Any]] = []
        self._lock = threading.Lock()

    # -- life ----------------------------------------------------------------------------------------------

    def __enter__(self) -> FakeDaemon:
        self._context: zmq.Context[Any] = zmq.Context()
        self._router = self._bind(zmq.ROUTER, self.control)
        self._events = self._bind(zmq.XPUB, self.pubsub)
        self._stats = self._bind(zmq.PUB, self.stats) if self.streams else None
        self._query = self._bind(zmq.ROUTER, f"{self.stats}.query") if self.streams else None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fake daemon")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Go away; entering again brings it back at the same place."""
        self._ended.set()
        self._thread.join()

    def _bind(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        sock: zmq.Socket[bytes] = self._context.socket(kind)
        sock.setsockopt(zmq.LINGER, 0)
        sock.bind(endpoint)
        return sock

    def _serve(self) -> None:
        next_at = 0.0
        while not self._ended.is_set():
            if self._stats is not None and time.monotonic() >= next_at:
                next_at = time.monotonic() + (0.2 if len(self.pids) < 100 else 1.0)
                for topic, payload in self.samples().items():
                    self._stats.send_multipart([topic.encode(), json.dumps(payload).encode()])
            while self._events.poll(0):
                told = self._events.recv()
                (self.subscribed.add if told[:1] == b"\x01" else self.subscribed.discard)(told[1:])
            with self._lock:
                waiting, self._told = self._told, []
            for place, topic, payload in waiting:
                sock = self._events if place == "events" else self._stats
                assert sock is not None
                sock.send_multipart([topic.encode(), json.dumps(payload).encode()])
            for sock in (self._router, self._query):
                if sock is not None and sock.poll(5):
                    self._answer(sock)
        self._context.destroy(linger=0)

    # -- what it says --------------------------------------------------------------------------------------

    def say(self, topic: str, payload: Any) -> None:
        """Publish something on the event endpoint."""
        with self._lock:
            self._told.append(("events", topic, payload))

    def samples(self) -> dict[str, Any]:
        """What the stream tells each time."""
        now = time.time()
        told = [
            sample(pid, wid=at, cpu=float(pid % 100), rss=pid << 20, time=now) for at, pid in enumerate(self.pids, 1)
        ]
        told.append(total(numprocesses=len(self.pids), time=now))
        told.append(total("report", status="stopped", time=now))
        return dict(map(tuple, told))

    def asked(self, command: str) -> list[dict[str, Any]]:
        """The properties of all requests of that command."""
        return [request.get("properties", {}) for request in self.requests if request["command"] == command]

    def _answer(self, sock: zmq.Socket[bytes]) -> None:
        *route, body = sock.recv_multipart()
        request = json.loads(body)
        self.requests.append(request)
        fields = self._reply(request["command"], request.get("properties") or {})
        if fields is not SILENT:
            reply = {"status": "ok", "time": time.time(), "id": request.get("id"), **fields}
            sock.send_multipart([*route, json.dumps(reply).encode()])

    def _reply(self, command: str, properties: dict[str, Any]) -> Any:
        if command in self.replies:
            found = self.replies[command]
            return found(properties) if callable(found) else found
        answer = getattr(self, f"_do_{command}", None)
        if answer is None or (self.is_old and command in ("tail", "events", "why")):
            return {"status": "error", "reason": f"unknown command: {command!r}", "errno": 2}
        return answer(properties)

    def _do_globaloptions(self, _: Any) -> Any:
        return {"options": {"stats_endpoint": self.stats, "pubsub_endpoint": self.pubsub}}

    def _do_status(self, _: Any) -> Any:
        house = {"circusd-stats": "active"} if self.streams else {}
        return {"statuses": {"web": "active", "report": "stopped", **house}}

    def _do_stats(self, properties: Any) -> Any:
        infos = {
            str(pid): {"pid": pid, "wid": at, "cpu": float(pid % 100), "mem_info1": f"{pid}.00M", "cmdline": "serve"}
            for at, pid in enumerate(self.pids, 1)
        }
        if "process" in properties:
            kid = {"pid": 900, "cmdline": "helper", "cpu": 1.0, "mem_info1": "1.00M"}
            return {"process": properties["process"], "info": {**infos[str(properties["process"])], "children": [kid]}}
        return {"infos": {"web": infos, "report": {}}}

    def _do_dstats(self, _: Any) -> Any:
        return {"info": {"pid": 1, "cpu": 0.1, "mem_info1": "20.00M", "cmdline": "circusd"}}

    def _do_get(self, _: Any) -> Any:
        return {"options": {"numprocesses": len(self.pids)}}

    def _do_listsockets(self, _: Any) -> Any:
        return {"sockets": [{"fd": 7, "name": "http", "backlog": 128, "host": "127.0.0.1", "port": 80}]}

    def _do_events(self, _: Any) -> Any:
        told = {"seq": 1, "watcher": "web", "res_name": "web", "event": "start", "time": time.time() - 60}
        return {"events": [{**told, "cause": "daemon start"}], "first": 1, "last": 1, "daemon": "fake"}

    def _do_snapshot(self, _: Any) -> Any:
        return {"stats": self.samples()}

    def _do_history(self, _: Any) -> Any:
        times = [time.time() - 60 + second for second in range(50)]
        columns = {"time": times, "cpu": [5.0] * 50, "rss": [1 << 20] * 50, "cpu_sum": [5.0] * 50}
        return {"series": {"web": columns, "web.101": columns}, "interval": 1.0}

    def _do_memory(self, properties: Any) -> Any:
        shares = {str(pid): {"pss": pid << 10, "uss": pid << 9, "swap": 0} for pid in properties["pids"]}
        return {"memory": {**shares, "103": None}}

    def _do_options(self, properties: Any) -> Any:
        return {"options": {"cmd": "serve", "graceful_timeout": 30.0}}

    def _do_reloadconfig(self, properties: Any) -> Any:
        if not properties.get("dry_run"):
            return {}
        change = {"option": "cmd", "old": "'a'", "new": "'b'"}
        step = {"act": "replace watcher", "name": "web", "changes": [change]}
        return {"plan": ["replace watcher web (cmd: 'a' -> 'b')"], "steps": [step], "problems": []}

    def _do_tail(self, properties: Any) -> Any:
        line = {"watcher": "web", "wid": 1, "pid": 101, "stream": "stdout", "time": time.time(), "offset": 0}
        return {"lines": [{**line, "text": "INFO early line"}], "ends": {"101.stdout": 16}, "captured": {"web": True}}

    def _do_why(self, _: Any) -> Any:
        ended = {
            "wid": 1, "pid": 99, "time": time.time() - 9, "exit": "killed by SIGKILL", "exit_code": -9, "uptime": 4.0,
            "expected": False, "cause": "out of memory, probably", "lines": ["its last words"],
        }  # fmt: skip
        worker = {"wid": 1, "pid": 101, "state": "running", "age": 9.0, "why": "replaces pid 99, killed by SIGKILL"}
        return {
            "status": "active", "name": "web", "wanted": "running", "cause": "daemon start", "since": time.time() - 60,
            "workers": [worker], "exits": [ended], "story": [{"time": time.time() - 60, "text": "it was started"}],
        }  # fmt: skip

    def _do_restart(self, _: Any) -> Any:
        return {}

    _do_stop = _do_start = _do_reload = _do_kill = _do_signal = _do_quit = _do_restart

    def _do_incr(self, _: Any) -> Any:
        return {"numprocesses": len(self.pids) + 1}

    _do_decr = _do_incr
