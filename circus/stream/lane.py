"""What one thread of the pump works on: the pipes that it reads, and an inbox of jobs and chunks.

The main lane has all pipes of the house; a lane of its own is made for an outlet that is stuck, or that has
more to write than one thread can read and write. A :class:`Seat` is the thread's side: which lane it serves,
and since when it has been inside a sink; its :class:`Crowd` tells an outlet that needs a second thread. Used
by :mod:`circus.stream.threads` and the pump; knows neither pipes nor sinks.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from circus.stream.poller import Poller

__all__ = ["Chunk", "Crowd", "Job", "Lane", "Readable", "Seat"]

#: CROWD pipes of one outlet that were all about to be full in CROWDED_ROUNDS rounds in a row have writers that
#: wait for the reading thread.
CROWD, CROWDED_ROUNDS = 4, 4


class Readable(Protocol):
    """What a lane needs to know of a pipe."""

    fd: int


class Chunk:
    """Output that waits in a lane's inbox; ``channel`` and ``route`` are of circus.stream.channel."""

    __slots__ = ("channel", "data", "pid", "route")

    def __init__(self, channel: Any, route: Any, data: bytes, pid: int) -> None:
        self.channel, self.route, self.data, self.pid = channel, route, data, pid


class Crowd:
    """Counts pipes that were about to be full, to find one outlet whose writers wait for their reader."""

    __slots__ = ("_pipes", "_rounds", "_seen", "_suspect")

    def __init__(self) -> None:
        #: The outlet of the last full pipe of this round, and how many in a row led to it.
        self._seen: Any = None
        self._pipes = 0
        #: The outlet that was crowded in the last round, and for how many rounds by now.
        self._suspect: Any = None
        self._rounds = 0

    def note(self, outlet: object) -> None:
        """A pipe that leads to ``outlet`` was about to be full."""
        if outlet is not self._seen:
            self._seen, self._pipes = outlet, 0
        self._pipes += 1

    def round_over(self) -> Any:
        """The outlet that has been crowded for CROWDED_ROUNDS rounds, else None."""
        outlet = self._seen if self._pipes >= CROWD else None
        self._rounds = self._rounds + 1 if outlet is not None and outlet is self._suspect else 1
        self._suspect, self._seen, self._pipes = outlet, None, 0
        return outlet if outlet is not None and self._rounds >= CROWDED_ROUNDS else None


class Seat:
    """One thread and what it is doing.

    ``since`` is when it entered the sink of ``channel`` by ``route`` (monotonic seconds), 0.0 outside; it is
    reset under ``lock``, so that whoever holds the lock and sees it set knows that the thread stays in that
    call.
    """

    __slots__ = (
        "brimming",
        "busy_at",
        "channel",
        "crowd",
        "ending",
        "ghost_round",
        "ghosts",
        "lane",
        "lock",
        "outlet",
        "round_at",
        "route",
        "since",
        "slow_at",
        "small_rounds",
        "turns",
    )

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        lane.seat = self
        self.lock = threading.Lock()
        #: Types of circus.stream.channel, which builds on this module.
        self.channel: Any = None
        self.route: Any = None
        #: The outlet that this thread is kept for, after it was stuck in it or because there is much to write.
        self.outlet: Any = None
        #: When it last had a large chunk to write, for a thread that only writes; see the pump.
        self.busy_at = 0.0
        self.since = 0.0
        #: When a call last took too long.
        self.slow_at = 0.0
        #: Rounds made so far: tells the watchdog that there is work.
        self.turns = 0
        #: When the last round ended, whether a pipe was about to be full in it, and how many in a row came at
        #: once though none was; see the pump.
        self.round_at = 0.0
        self.brimming = False
        self.crowd = Crowd()
        self.small_rounds = 0
        self.ending = False
        #: The last round with a ready descriptor that nobody here reads, and how many such rounds in a row.
        self.ghost_round = self.ghosts = 0

    def stuck_for(self, now: float) -> float:
        """Seconds that it has been inside a sink, 0.0 when it is not."""
        since = self.since
        return now - since if since else 0.0


Job = Callable[[Seat], object]


class Lane:
    """The pipes that one thread reads, by descriptor, and its inbox."""

    __slots__ = ("_awaited", "_hurried", "backlog", "closed", "inbox", "lock", "partial", "pipes", "poller", "room",
                 "seat")

    def __init__(self) -> None:
        self.pipes: dict[int, Any] = {}
        #: Pipes with an unfinished line, and when it will be written as it is; in the order of these times.
        self.partial: dict[Any, float] = {}
        self.seat: Seat | None = None
        self.lock = threading.Lock()
        # Under the lock:
        self.inbox: deque[Job | Chunk] = deque()
        #: Bytes of chunks in the inbox.
        self.backlog = 0
        self.room = threading.Condition(self.lock)
        #: The backlog that somebody waits for, or None; and whether nobody is to wait any more.
        self._awaited: int | None = None
        self._hurried = False
        self.open()

    def open(self) -> None:
        """Be ready for a thread; a lane is made open."""
        self.poller = Poller()
        self.closed = False

    def close(self) -> None:
        """End, and refuse what is posted; by the lane's thread, under ``lock``, with an empty inbox."""
        self.closed = True
        self.seat = None
        self.poller.close()

    def take(self, pipe: Readable) -> None:
        """Read ``pipe``; under the pump's lock and that of the pipe."""
        self.pipes[pipe.fd] = pipe
        self.poller.register(pipe.fd)

    def drop(self, pipe: Readable) -> None:
        """Do not read ``pipe``; under the lock of the pipe."""
        if self.pipes.get(pipe.fd) is pipe:
            del self.pipes[pipe.fd]
            self.poller.unregister(pipe.fd)

    def post(self, item: Job | Chunk) -> bool:
        """Have ``item`` done by the lane's thread, after all posted before; False when the lane has ended."""
        with self.lock:
            if self.closed:
                return False
            self.inbox.append(item)
            if isinstance(item, Chunk):
                self.backlog += len(item.data)
            self.poller.wake()
            return True

    def post_bounded(self, chunk: Chunk, buffer: int, policy: str) -> bool:
        """As :meth:`post`, but keep ``buffer`` bytes in all; lines beyond that are dropped and counted, by
        ``policy``.

        :param policy: ``drop-oldest`` or ``drop-newest``.
        """
        data = chunk.data
        with self.lock:
            if self.closed:
                return False
            if policy == "drop-oldest":
                while self.backlog + len(data) > buffer and self._drop_oldest():
                    pass
                over = len(data) - buffer
                cut = (data.find(b"\n", over - 1) + 1 or len(data)) if over > 0 else 0
                chunk.data = data[cut:]
            else:
                room = max(buffer - self.backlog, 0)
                chunk.data = data if len(data) <= room else data[: data.rfind(b"\n", 0, room) + 1]
            chunk.channel.overflowed += len(data) - len(chunk.data)
        # Nobody else posts chunks of this outlet in between: its pipes are read by one thread.
        return not chunk.data or self.post(chunk)

    def await_room(self, limit: int) -> None:
        """Wait until the backlog is ``limit`` bytes at most, or :meth:`hurry` is called; for one thread only."""
        with self.lock:
            while self.backlog > limit and not self._hurried:
                self._awaited = limit
                self.room.wait()
            self._awaited = None

    def hurry(self) -> None:
        """Whoever waits for room, now or later, waits no more: the lane's thread is stuck."""
        with self.lock:
            self._hurried = True
            self.room.notify_all()

    def next_item(self) -> Job | Chunk | None:
        """Take the oldest item out of the inbox."""
        with self.lock:
            if not self.inbox:
                return None
            item = self.inbox.popleft()
            if isinstance(item, Chunk):
                self.backlog -= len(item.data)
                if self._awaited is not None and self.backlog <= self._awaited:
                    self.room.notify_all()
            return item

    def _drop_oldest(self) -> bool:
        for index, item in enumerate(self.inbox):
            if isinstance(item, Chunk):
                del self.inbox[index]
                self.backlog -= len(item.data)
                item.channel.overflowed += len(item.data)
                return True
        return False
