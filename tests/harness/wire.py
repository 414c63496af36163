"""Plain pyzmq clients for the control endpoint and the events, independent of ``circus.client``."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zmq

from harness.waiting import PATIENCE


class Caller:
    """A DEALER on the control endpoint.

    :param context: owned by the caller of this class.
    :param endpoint: where the daemon listens.
    """

    def __init__(self, context: zmq.Context[Any], endpoint: str) -> None:
        self._context, self._endpoint = context, endpoint
        self._socket = self._connect()

    def _connect(self) -> zmq.Socket[bytes]:
        connected = self._context.socket(zmq.DEALER)
        connected.setsockopt(zmq.LINGER, 0)
        connected.setsockopt(zmq.IDENTITY, uuid.uuid4().hex.encode())
        connected.setsockopt(zmq.RECONNECT_IVL, 10)
        connected.connect(self._endpoint)
        return connected

    def close(self) -> None:
        self._socket.close()

    def request(self, message: dict[str, Any], deadline: float = PATIENCE) -> dict[str, Any] | None:
        """Send a message as it is (with an id if it has none) and return the reply to it, or None if none
        comes.

        :param deadline: seconds.
        """
        message = {"id": uuid.uuid4().hex, **message}
        return self._receive(json.dumps(message).encode(), message["id"], deadline)

    def call(self, command: str, deadline: float = PATIENCE, **properties: Any) -> dict[str, Any]:
        """Send a command and return its reply.

        :raises AssertionError: no reply in time.
        """
        reply = self.request({"command": command, "properties": properties}, deadline)
        assert reply is not None, f"no answer to {command!r} within {deadline} s"
        return reply

    def cast(self, command: str, **properties: Any) -> None:
        """Send a command that gets no reply."""
        message = {"command": command, "properties": properties, "msg_type": "cast"}
        self._socket.send(json.dumps(message).encode())

    def raw(self, *frames: bytes, deadline: float = PATIENCE) -> Any:
        """Send frames on a connection of their own; the decoded reply, or None if none comes in time."""
        connected = self._connect()
        try:
            connected.send_multipart(list(frames))
            if not connected.poll(deadline * 1000):
                return None
            return json.loads(connected.recv_multipart()[-1])
        finally:
            connected.close()

    def _receive(self, payload: bytes, message_id: Any, deadline: float) -> dict[str, Any] | None:
        end = time.monotonic() + deadline
        self._socket.send(payload)
        while self._socket.poll(max(0.0, end - time.monotonic()) * 1000):
            reply: dict[str, Any] = json.loads(self._socket.recv())
            if reply.get("id") == message_id:
                return reply
        return None


@dataclass(frozen=True)
class Event:
    """One published event, taken apart from both ends of its topic."""

    watcher: str
    name: str
    payload: dict[str, Any]

    @property
    def pid(self) -> int | None:
        return self.payload.get("process_pid")


class EventRecorder:
    """A SUB socket that remembers everything it hears; usable as a context manager.

    It reads only when asked, so it needs no thread.

    :param context: owned by the caller of this class.
    :param endpoint: where the daemon publishes.
    :param prefix: of the topics to hear.
    :param ignored: a watcher whose events are heard, too, but only counted: see :meth:`wait_ignored`.
    """

    def __init__(
        self, context: zmq.Context[Any], endpoint: str, prefix: str = "", *, ignored: str | None = None
    ) -> None:
        self._socket: zmq.Socket[bytes] = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self._socket.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        # Sent after the other one on the same connection: hearing the ignored watcher proves that both work.
        if ignored is not None:
            self._socket.setsockopt(zmq.SUBSCRIBE, f"watcher.{ignored}.".encode())
        self._socket.connect(endpoint)
        self._ignored = ignored
        self._ignored_count = 0
        self._heard: list[Event] = []

    def __enter__(self) -> EventRecorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    @property
    def heard(self) -> list[Event]:
        """All events so far."""
        self._read(0)
        return self._heard

    def clear(self) -> None:
        """Forget what was heard so far."""
        self._read(0)
        self._heard = []

    def wait_for(self, predicate: Callable[[list[Event]], Any], deadline: float = PATIENCE) -> list[Event]:
        """Wait until ``predicate`` is true of the list of all events, and return that list.

        :raises AssertionError: not within ``deadline`` seconds; tells what was heard.
        """
        end = time.monotonic() + deadline
        self._read(0)
        while not predicate(self._heard):
            remaining = end - time.monotonic()
            if remaining <= 0:
                heard = [(event.watcher, event.name) for event in self._heard]
                raise AssertionError(f"not within {deadline} s; heard {heard}")
            self._read(remaining)
        return self._heard

    def wait_event(self, watcher: str, name: str, count: int = 1, deadline: float = PATIENCE) -> list[Event]:
        """Wait for ``count`` events of that watcher and name; returns them."""

        def those(events: list[Event]) -> list[Event]:
            return [event for event in events if (event.watcher, event.name) == (watcher, name)]

        return those(self.wait_for(lambda events: len(those(events)) >= count, deadline))

    def forget_ignored(self) -> None:
        """Count the events of the ignored watcher from zero again."""
        self._read(0)
        self._ignored_count = 0

    def wait_ignored(self, deadline: float) -> bool:
        """Whether an event of the ignored watcher has been heard, or is within ``deadline`` seconds."""
        end = time.monotonic() + deadline
        self._read(0)
        while not self._ignored_count and time.monotonic() < end:
            self._read(max(0.0, end - time.monotonic()))
        return self._ignored_count > 0

    def _read(self, timeout: float) -> None:
        """Take in what is there, after waiting at most ``timeout`` seconds for the first."""
        while self._socket.poll(timeout * 1000):
            topic, payload = self._socket.recv_multipart()
            _, _, rest = topic.decode().partition(".")
            watcher, _, name = rest.rpartition(".")
            if watcher == self._ignored:
                self._ignored_count += 1
            else:
                self._heard.append(Event(watcher, name, json.loads(payload)))
            timeout = 0
