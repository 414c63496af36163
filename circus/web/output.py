"""The output of workers, live, for any number of pages: each follows some watchers of a daemon.

One subscription for each daemon, to the union of what is followed; what comes is gathered for a tenth of a second and
encoded once for all pages. A page that begins gets the last lines first, then what comes, without a gap and without a
line twice: subscribe, ask ``tail``, leave out what it told already. What comes faster than anybody could read is cut,
and said to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import zmq

from circus.exc import CircusError
from circus.model.dashboard.endpoint import topic_name
from circus.top.subscription import Subscription
from circus.web.encoding import encoded
from circus.web.problems import Problem

if TYPE_CHECKING:
    from circus.web.endpoints import Daemon

Batch = dict[str, Any]

#: How long a subscription takes to arrive on a connection that is there, before the lines so far are asked for; longer
#: through ssh. And how long the connection is waited for.
_SUBSCRIBED, _SUBSCRIBED_SSH = 0.15, 0.6
_CONNECTING = 3.0
#: Seconds that lines are gathered for.
GATHERED = 0.1
#: Lines and characters of a watcher that are told for each such time; the newest ones. What was written during a longer
#: time comes at once when the console or the daemon was held up: of that, as many times more are told, up to a limit.
MOST_LINES, MOST_TEXT, MOST_TIMES = 500, 128 << 10, 4
#: Batches kept for a page that waits for the lines so far.
_EARLY = 500
_EVERYTHING = "output."


def source_of(batch: Batch) -> str:
    """Which output it is from, as ``tail`` names it."""
    return f"{batch['pid']}.{batch['stream']}"


def lines_of(batches: Iterable[Batch], ends: dict[str, int]) -> list[dict[str, Any]]:
    """The lines of some batches, each by itself, without those that were told.

    :param ends: by source, the offset before which everything was told.
    """
    found = []
    for batch in batches:
        head = {key: batch.get(key) for key in ("watcher", "wid", "pid", "stream", "time")}
        offset, end = int(batch.get("offset") or 0), ends.get(source_of(batch), 0)
        for text in batch["lines"]:
            if offset >= end:
                found.append({**head, "offset": offset, "text": text})
            offset += len(text.encode("utf-8", "surrogatepass")) + 1
    return found


def newest(lines: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """As many of the newest lines as are told at once, and how many are left out."""
    times = _times(lines)
    start, room = max(0, len(lines) - int(MOST_LINES * times)), int(MOST_TEXT * times)
    for number in range(len(lines) - 1, start - 1, -1):
        room -= len(lines[number]["text"])
        if room < 0 and number < len(lines) - 1:
            start = number + 1
            break
    return lines[start:], start


def _times(lines: list[dict[str, Any]]) -> float:
    """How many times :data:`GATHERED` it took to write some lines."""
    told = (line.get("time") for line in lines[:1] + lines[-1:])
    known = [time for time in told if isinstance(time, (int, float))]
    return min(MOST_TIMES, max(1.0, (known[-1] - known[0]) / GATHERED)) if known else 1.0


class Follower:
    """One page's interest in output.

    :param watchers: names; empty for all.
    :param lines: how many of the past.
    :param deliver: called with each message for the page, encoded, and with how many lines it has.
    """

    def __init__(self, watchers: Iterable[str], lines: int, deliver: Callable[[str, int], None]) -> None:
        self.watchers = list(dict.fromkeys(watchers))
        self.keys = {topic_name(name) for name in self.watchers}
        self.lines = lines
        self.deliver = deliver
        #: What came before the lines so far did; None once they have.
        self.early: list[Batch] | None = []
        self.ends: dict[str, int] = {}

    @property
    def topics(self) -> set[str]:
        """What has to be subscribed to."""
        return {f"output.{key}." for key in self.keys} or {_EVERYTHING}

    def wants(self, batch: Batch) -> bool:
        """Whether a batch is of a watcher that is followed."""
        return not self.keys or batch.get("res_name") in self.keys

    def knows(self, batches: Iterable[Batch]) -> bool:
        """Whether some of it was told already."""
        return bool(self.ends) and any(batch.get("offset", 0) < self.ends.get(source_of(batch), 0) for batch in batches)

    def pass_ends(self, batches: Iterable[Batch]) -> None:
        """What was told ends before these; nothing of it will come again."""
        for batch in batches:
            end = self.ends.get(source_of(batch))
            if end is not None and batch.get("offset", 0) >= end:
                del self.ends[source_of(batch)]


class OutputRelay:
    """The output of one daemon's workers.

    :param daemon: whose.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._followers: set[Follower] = set()
        self._subscription: Subscription | None = None
        self._opening = asyncio.Lock()
        self._gathered: dict[str, list[Batch]] = {}
        self._lost: dict[str, int] = {}
        self._next: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._chore: asyncio.Task[None] | None = None

    async def follow(self, follower: Follower) -> None:
        """Begin to tell a page what it wants."""
        self._followers.add(follower)
        try:
            subscription = await self._subscribe()
            await subscription.wait_connected(_CONNECTING)  # not in there: others need not wait one after the other
            await asyncio.sleep(_SUBSCRIBED if self._daemon.ssh is None else _SUBSCRIBED_SSH)
            properties: dict[str, Any] = {"lines": follower.lines}
            if follower.watchers:
                names = follower.watchers
                properties.update(name=names[0] if len(names) == 1 else names, match="simple")
            reply, problem = await self._daemon.call("tail", properties), ""
        except (Problem, CircusError, zmq.ZMQError, OSError) as error:
            reply, problem = {}, str(error)
        if follower in self._followers:
            self._tell_past(follower, reply, problem)

    def _tell_past(self, follower: Follower, reply: dict[str, Any], problem: str) -> None:
        """The lines so far; then what came meanwhile."""
        lines = reply.get("lines") or []
        follower.ends = {key: int(end) for key, end in (reply.get("ends") or {}).items()}
        message = {
            "type": "lines", "watcher": follower.watchers[0] if len(follower.watchers) == 1 else None, "first": True,
            "lines": lines, "lost": 0, "captured": reply.get("captured") or {}, "endpoint": self._daemon.id,
        }  # fmt: skip
        if problem:
            message["problem"] = problem
        follower.deliver(encoded(message), len(lines))
        early, follower.early = follower.early or [], None
        for watcher in dict.fromkeys(batch["watcher"] for batch in early):
            self._tell(follower, watcher, [batch for batch in early if batch["watcher"] == watcher], 0)

    def _tell(self, follower: Follower, watcher: str, batches: list[Batch], lost: int) -> None:
        """Lines of one watcher for one page."""
        lines, left_out = newest(lines_of(batches, follower.ends))
        follower.pass_ends(batches)
        if lines or lost + left_out:
            follower.deliver(self._message(watcher, lines, lost + left_out), len(lines))

    def _message(self, watcher: str, lines: list[dict[str, Any]], lost: int) -> str:
        return encoded({
            "type": "lines", "endpoint": self._daemon.id, "watcher": watcher, "lines": lines, "lost": lost,
        })  # fmt: skip

    def leave(self, follower: Follower) -> None:
        """A page wants no more."""
        self._followers.discard(follower)
        if self._subscription is not None:
            self._subscription.subscribe(self._topics())
        if not self._followers:
            self.close()

    def _topics(self) -> set[str]:
        return {topic for follower in self._followers for topic in follower.topics}

    async def _subscribe(self) -> Subscription:
        async with self._opening:
            if self._subscription is None:
                if self._daemon.pubsub is None:
                    raise Problem(503, f"{self._daemon.endpoint} has not said yet where it publishes")
                endpoint = self._daemon.target.reachable(self._daemon.pubsub)
                opened = Subscription(self._daemon.context, endpoint, (), self._hear, self._daemon.ssh, awaited=True)
                await opened.open()
                self._subscription = opened
            self._subscription.subscribe(self._topics())
            return self._subscription

    def _hear(self, topic: str, payload: Any) -> None:
        if not topic.startswith(_EVERYTHING) or not isinstance(payload.get("lines"), list):
            return
        watcher = str(payload.get("watcher"))
        self._gathered.setdefault(watcher, []).append(payload)
        lost = self._count_losses(payload)
        if lost:
            self._lost[watcher] = self._lost.get(watcher, 0) + lost
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHERED, self._flush)

    def _count_losses(self, batch: Batch) -> int:
        """Lines that were lost on the way here."""
        lost, seq, source = int(batch.get("lost") or 0), batch.get("seq"), source_of(batch)
        if isinstance(seq, int):
            expected = self._next.get(source)
            if expected is not None and seq > expected:
                lost = max(lost, seq - expected)
            if len(self._next) > 10_000:
                self._next.clear()
            self._next[source] = seq + len(batch["lines"])
        return lost

    def _flush(self) -> None:
        """Tell what was gathered."""
        self._timer = None
        gathered, self._gathered = self._gathered, {}
        lost, self._lost = self._lost, {}
        for watcher, batches in gathered.items():
            wanting = [follower for follower in self._followers if follower.wants(batches[0])]
            ready = []
            for follower in wanting:
                if follower.early is not None:
                    follower.early = [*follower.early, *batches][-_EARLY:]
                elif follower.knows(batches):
                    self._tell(follower, watcher, batches, lost.get(watcher, 0))
                else:
                    follower.pass_ends(batches)
                    ready.append(follower)
            if ready:
                lines, left_out = newest(lines_of(batches, {}))
                text = self._message(watcher, lines, left_out + lost.get(watcher, 0))
                for follower in ready:
                    follower.deliver(text, len(lines))

    def reopen(self) -> None:
        """The daemon is another one now: it may publish elsewhere, and its workers are others."""
        if self._subscription is not None and self._followers:
            self._subscription.close()
            self._subscription = None
            self._next.clear()
            for follower in self._followers:
                follower.early = []
            self._chore = asyncio.get_running_loop().create_task(self._again())

    async def _again(self) -> None:
        await asyncio.gather(*(self.follow(follower) for follower in list(self._followers)))

    def close(self) -> None:
        """Listen no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._chore is not None:
            self._chore.cancel()
        self._gathered.clear()
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
