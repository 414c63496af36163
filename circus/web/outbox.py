"""What is still to be sent to one page, and what is given up when the page does not read.

Bounded in messages and bytes. When it is full, the deltas in it are thrown away, and the page gets a fresh snapshot of
each topic once it reads again; lines and events that were thrown away are counted. Pure; the WebSocket takes from it
one message after the other (:mod:`circus.web.live`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

MOST_MESSAGES = 256
MOST_BYTES = 1 << 20


class _Losable(NamedTuple):
    """Marks a message that is no delta: what is lost with it."""

    subject: str
    lost: int


class Outbox:
    """The messages for one page.

    :param snapshot: makes the snapshot of a topic, as text, at the moment it is sent; None if there is no such topic
        any more.
    :param told: makes the message that says what was lost, of counts by subject.
    """

    def __init__(self, snapshot: Callable[[Any], str | None], told: Callable[[dict[str, int]], str]) -> None:
        self._snapshot, self._told = snapshot, told
        self._queue: deque[tuple[Any, str]] = deque()
        self._bytes = 0
        #: Topics the page has no picture of, in the order in which it gets them.
        self._stale: dict[Any, None] = {}
        self._lost: dict[str, int] = {}
        #: How often it was full.
        self.overflows = 0

    def __len__(self) -> int:
        return len(self._queue) + len(self._stale) + bool(self._lost)

    def want(self, topic: Any) -> None:
        """The page needs a snapshot of a topic; deltas make no sense to it until it has got one."""
        self._stale[topic] = None
        self._drop_deltas(topic)

    def forget(self, topic: Any) -> None:
        """The page wants no more of a topic."""
        self._stale.pop(topic, None)
        self._drop_deltas(topic)

    def _drop_deltas(self, topic: Any) -> None:
        kept = [entry for entry in self._queue if entry[0] != topic]
        if len(kept) != len(self._queue):
            self._queue = deque(kept)
            self._bytes = sum(len(text) for _, text in kept)

    def put_delta(self, topic: Any, text: str) -> None:
        """A change of a topic. Left out while the page waits for a snapshot, which will have it."""
        if topic not in self._stale and not self._put(topic, text):
            self._stale[topic] = None

    def put(self, text: str, subject: str = "", count: int = 1) -> None:
        """A message of its own.

        :param subject: what the loss of it is counted under; empty for what must not get lost (it is short and rare).
        :param count: how much is lost with it.
        """
        if not subject:
            self._queue.append((None, text))
            self._bytes += len(text)
        elif not self._put(_Losable(subject, count), text):
            self._lose(subject, count)

    def _put(self, mark: Any, text: str) -> bool:
        if len(self._queue) >= MOST_MESSAGES or self._bytes + len(text) > MOST_BYTES:
            if self._queue:
                self._give_up()
            if len(text) > MOST_BYTES:
                return False
            if mark in self._stale:
                return True
        self._queue.append((mark, text))
        self._bytes += len(text)
        return True

    def _give_up(self) -> None:
        """Throw away all that can be made good later."""
        self.overflows += 1
        queue, self._queue, self._bytes = self._queue, deque(), 0
        for mark, text in queue:
            if mark is None:
                self._queue.append((mark, text))
                self._bytes += len(text)
            elif isinstance(mark, _Losable):
                self._lose(mark.subject, mark.lost)
            else:
                self._stale[mark] = None

    def _lose(self, subject: str, count: int) -> None:
        self._lost[subject] = self._lost.get(subject, 0) + count

    def take(self) -> str | None:
        """The next message to send; None when there is none."""
        while True:
            if self._queue:
                _, text = self._queue.popleft()
                self._bytes -= len(text)
                return text
            if self._lost:
                lost, self._lost = self._lost, {}
                return self._told(lost)
            if not self._stale:
                return None
            topic = next(iter(self._stale))
            del self._stale[topic]
            text_or_none = self._snapshot(topic)
            if text_or_none is not None:
                return text_or_none
