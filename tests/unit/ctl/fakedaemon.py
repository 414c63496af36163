"""A daemon that is only a script: a ROUTER that answers from a table, for tests of clients and of circusctl."""

from __future__ import annotations

import json
import threading
from typing import Any

import zmq

#: Replies of a small daemon, by command; a callable gets the request's properties.
SMALL_DAEMON: dict[str, Any] = {
    "status": lambda props: (
        {"statuses": {"web": "active", "One Two": "stopped"}} if "name" not in props
        else {"status": "active"} if props["name"] == "web"
        else refusal(f"program {props['name']} not found")
    ),
    "list": lambda props: {"pids": [11, 12]} if props.get("name") == "web" else {"watchers": ["one two", "web"]},
    "options": {"options": {"cmd": "sleep 1", "shell": False, "stop_signal": 15}},
    "incr": {"numprocesses": 3},
    "numprocesses": {"numprocesses": 2},
    "globaloptions": {"options": {"pubsub_endpoint": "tcp://127.0.0.1:1"}},
    "restart": {},
    "quit": {},
}  # fmt: skip
SILENT = object()


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
        self._stopper = self._context.socket(zmq.PAIR)
        self._stopper.bind("inproc://stop")
        self._thread = threading.Thread(target=self._serve, name="fake daemon")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Go away, as a daemon that quits."""
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
        while True:
            ready = dict(poller.poll())
            if stop in ready:
                break
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
        return [
            each if isinstance(each, bytes)
            else json.dumps({"status": "ok", "time": 1.0, **each, "id": each.get("id", request["id"])}).encode()
            for each in (reply if isinstance(reply, list) else [reply])
            if each is not SILENT
        ]  # fmt: skip
