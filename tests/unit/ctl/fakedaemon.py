"""A daemon that is only a script: a ROUTER that answers from a table, for tests of clients."""

from __future__ import annotations

import json
import threading
from typing import Any

import zmq

SILENT = object()


def _status(props: dict[str, Any]) -> dict[str, Any]:
    if "name" not in props:
        return {"statuses": {"web": "active", "One Two": "stopped"}}
    return {"status": "active"} if props["name"] == "web" else refusal(f"program {props['name']} not found")


def _list(props: dict[str, Any]) -> dict[str, Any]:
    return {"pids": [11, 12]} if props.get("name") == "web" else {"watchers": ["one two", "web"]}


#: Replies of a small daemon, by command; a callable gets the request's properties.
SMALL_DAEMON: dict[str, Any] = {
    "status": _status,
    "list": _list,
    "options": {"options": {"cmd": "sleep 1", "shell": False, "stop_signal": 15}},
    "incr": {"numprocesses": 3},
    "numprocesses": {"numprocesses": 2},
    "globaloptions": {"options": {"pubsub_endpoint": "tcp://127.0.0.1:1"}},
    "restart": {},
    "quit": {},
}


def refusal(reason: str, errno: int = 3, **more: Any) -> dict[str, Any]:
    """An error reply."""
    return {"status": "error", "reason": reason, "tb": None, "errno": errno, **more}


class FakeDaemon:
    """Usable as a context manager; while it is entered it answers.

    :param replies: command -> fields of the reply, a list of them (all sent), a callable, raw bytes, or
        ``SILENT``.
    :param endpoint: where to listen.
    """

    def __init__(self, replies: dict[str, Any] | None = None, endpoint: str = "tcp://127.0.0.1:*") -> None:
        self.replies = {**SMALL_DAEMON, **(replies or {})}
        self.requests: list[dict[str, Any]] = []
        self._wanted = endpoint
        self.endpoint = ""

    def __enter__(self) -> FakeDaemon:
        self._context: zmq.Context[Any] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.linger = 0
        self._router.bind(self._wanted)
        self.endpoint = self._router.last_endpoint.decode().rstrip("\0")
        self._stopping = threading.Lock()
        self._stopper = self._context.socket(zmq.PAIR)
        self._stopper.bind("inproc://stop")
        self._thread = threading.Thread(target=self._serve, name="fake daemon")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Go away, as a daemon that quits."""
        with self._stopping:  # a test and its fixture may both, in two threads
            if self._stopper.closed:
                return
            self._stopper.send(b"")
            self._thread.join(10)
            self._stopper.close()
            self._context.term()

    @property
    def commands(self) -> list[str]:
        """The commands received so far."""
        return [request["command"] for request in self.requests]

    def _serve(self) -> None:
        stop = self._context.socket(zmq.PAIR)
        stop.connect("inproc://stop")
        poller = zmq.Poller()
        poller.register(stop, zmq.POLLIN)
        poller.register(self._router, zmq.POLLIN)
        while stop not in dict(poller.poll()):
            who, payload = self._router.recv_multipart()
            request = json.loads(payload)
            self.requests.append(request)
            for reply in self._answer(request):
                self._router.send_multipart([who, reply])
        stop.close()
        self._router.close()

    def _answer(self, request: dict[str, Any]) -> list[bytes]:
        reply = self.replies.get(request["command"], refusal(f"unknown command: {request['command']!r}", 2))
        if callable(reply):
            reply = reply(request["properties"])
        found = reply if isinstance(reply, list) else [reply]
        return [_encode(each, request["id"]) for each in found if each is not SILENT]


def _encode(reply: Any, mid: Any) -> bytes:
    if isinstance(reply, bytes):
        return reply
    return json.dumps({"status": "ok", "time": 1.0, **reply, "id": reply.get("id", mid)}).encode()
