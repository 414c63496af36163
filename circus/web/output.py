"""The output of workers, live, for any number of pages: each follows some watchers of a daemon.

One subscription for each daemon, to the union of what is followed. A page that begins gets the last lines first, then
what comes, without a gap and without a line twice: subscribe, ask ``tail``, leave out what it told already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import zmq

from circus.exc import CircusError
from circus.model.dashboard.endpoint import topic_name
from circus.top.subscription import Subscription
from circus.web.problems import Problem

if TYPE_CHECKING:
    from circus.web.endpoints import Daemon

#: How long a subscription takes to arrive, before the lines so far are asked for; longer through ssh.
_SUBSCRIBED, _SUBSCRIBED_SSH = 0.15, 0.6
_EVERYTHING = "output."


class Follower:
    """One page's interest in output.

    :param watchers: names; empty for all.
    :param lines: how many of the past.
    :param deliver: called with each message for the page, and with how many lines it has.
    """

    def __init__(self, watchers: Iterable[str], lines: int, deliver: Callable[[dict[str, Any], int], None]) -> None:
        self.watchers = list(dict.fromkeys(watchers))
        self.keys = {topic_name(name) for name in self.watchers}
        self.lines = lines
        self._deliver = deliver
        self._early: list[dict[str, Any]] | None = []
        self._ends: dict[str, int] = {}
        self._next: dict[str, int] = {}

    @property
    def topics(self) -> set[str]:
        """What has to be subscribed to."""
        return {f"output.{key}." for key in self.keys} or {_EVERYTHING}

    def take_past(self, reply: dict[str, Any], problem: str = "") -> None:
        """The lines so far; then what came meanwhile."""
        lines = reply.get("lines") or []
        self._ends = {key: int(end) for key, end in (reply.get("ends") or {}).items()}
        message = {
            "type": "lines", "watcher": self.watchers[0] if len(self.watchers) == 1 else None, "first": True,
            "lines": lines, "lost": 0, "captured": reply.get("captured") or {},
        }  # fmt: skip
        if problem:
            message["problem"] = problem
        self._deliver(message, len(lines))
        early, self._early = self._early or [], None
        for batch in early:
            self.take(batch)

    def take(self, batch: dict[str, Any]) -> None:
        """A batch of the daemon; not every one is for us."""
        if self.keys and batch.get("res_name") not in self.keys:
            return
        if self._early is not None:
            self._early.append(batch)
            return
        source = f"{batch['pid']}.{batch['stream']}"
        offset, end = int(batch.get("offset") or 0), self._ends.get(source, 0)
        lines = []
        for text in batch["lines"]:
            if offset >= end:
                lines.append({
                    "watcher": batch["watcher"], "wid": batch.get("wid"), "pid": batch["pid"],
                    "stream": batch["stream"], "time": batch["time"], "offset": offset, "text": text,
                })  # fmt: skip
            offset += len(text.encode("utf-8", "surrogatepass")) + 1
        lost = self._count_losses(source, batch)
        if lines or lost:
            self._deliver({"type": "lines", "watcher": batch["watcher"], "lines": lines, "lost": lost}, len(lines))

    def _count_losses(self, source: str, batch: dict[str, Any]) -> int:
        lost, seq = int(batch.get("lost") or 0), batch.get("seq")
        if isinstance(seq, int):
            expected = self._next.get(source)
            if expected is not None and seq > expected:
                lost = max(lost, seq - expected)
            self._next[source] = seq + len(batch["lines"])
        return lost


class OutputRelay:
    """The output of one daemon's workers.

    :param daemon: whose.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._followers: set[Follower] = set()
        self._subscription: Subscription | None = None
        self._opening = asyncio.Lock()

    async def follow(self, follower: Follower) -> None:
        """Begin to tell a page what it wants."""
        self._followers.add(follower)
        try:
            await self._subscribe()
            await asyncio.sleep(_SUBSCRIBED if self._daemon.ssh is None else _SUBSCRIBED_SSH)
            properties: dict[str, Any] = {"lines": follower.lines}
            if follower.watchers:
                names = follower.watchers
                properties["name"] = names[0] if len(names) == 1 else names
                properties["match"] = "simple"
            reply = await self._daemon.call("tail", properties)
        except (Problem, CircusError, zmq.ZMQError, OSError) as error:
            follower.take_past({}, str(error))
            return
        follower.take_past(reply)

    def leave(self, follower: Follower) -> None:
        """A page wants no more."""
        self._followers.discard(follower)
        if self._subscription is not None:
            self._subscription.subscribe(self._topics())
        if not self._followers:
            self.close()

    def _topics(self) -> set[str]:
        return {topic for follower in self._followers for topic in follower.topics}

    async def _subscribe(self) -> None:
        async with self._opening:
            if self._subscription is None:
                if self._daemon.pubsub is None:
                    raise Problem(503, f"{self._daemon.endpoint} has not said yet where it publishes")
                endpoint = self._daemon.target.reachable(self._daemon.pubsub)
                opened = Subscription(self._daemon.context, endpoint, (), self._hear, self._daemon.ssh)
                await opened.open()
                self._subscription = opened
            self._subscription.subscribe(self._topics())

    def _hear(self, topic: str, payload: Any) -> None:
        if not topic.startswith(_EVERYTHING) or not isinstance(payload.get("lines"), list):
            return
        for follower in list(self._followers):
            follower.take(payload)

    def reopen(self) -> None:
        """The daemon is another one now: it may publish elsewhere."""
        if self._subscription is not None and self._followers:
            self._subscription.close()
            self._subscription = None
            asyncio.get_running_loop().create_task(self._again())

    async def _again(self) -> None:
        for follower in list(self._followers):
            follower._early = []
            await self.follow(follower)

    def close(self) -> None:
        """Listen no more."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
