"""The live pages: who listens to what, and what each is told when.

The hub ticks once a second while somebody listens, and soon after something happened. A page that does not read costs
an outbox of bounded size and nobody else anything. The WebSocket itself is in :mod:`circus.web.pagesocket`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from circus import __version__
from circus.base.logs import logger
from circus.web import pictures
from circus.web.channels import KINDS, Channel, Overview, Watcher
from circus.web.encoding import encoded
from circus.web.facts import Facts
from circus.web.outbox import Outbox
from circus.web.output import Follower, OutputRelay
from circus.web.owncost import OwnCost
from circus.web.problems import Problem
from circus.web.sparks import Sparks

if TYPE_CHECKING:
    from circus.web.endpoints import Daemon, Daemons

TICK = 1.0
#: From something that happened to the tick that tells it; events come in swarms.
SOON = 0.15
_TOPICS_OF_A_PAGE = 64
_EVENT_KINDS = frozenset({"event", "connected", "lost", "journal", "source", "statuses"})


class Viewer:
    """One page, as the hub sees it.

    :param wake: called when there is something in the outbox.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.outbox = Outbox(lambda channel: channel.snapshot(), _tell_losses)
        #: By topic, as the page names it.
        self.channels: dict[str, Channel] = {}
        self.followers: list[tuple[OutputRelay, Follower]] = []


def _tell_losses(lost: dict[str, int]) -> str:
    """What a page that read too slowly has missed; the lines among it are told as lines are."""
    lines = {"lines": [], "lost": lost["lines"]} if "lines" in lost else {}
    return encoded({"type": "lines" if lines else "lost", **lines, "missed": lost})


class Hub:
    """Tells pages about daemons.

    :param daemons: all of them.
    """

    def __init__(self, daemons: Daemons) -> None:
        self.daemons = daemons
        #: Of this run: numbers of messages of another one mean nothing.
        self.epoch = secrets.token_hex(8)
        self.viewers: set[Viewer] = set()
        self.sparks = Sparks()
        #: Counts the seconds; what grows by one value each second goes by it.
        self.seconds = 0
        self._cost = OwnCost()
        self._channels: dict[str, Channel] = {}
        self._facts: dict[str, Facts] = {}
        self._relays: dict[str, OutputRelay] = {}
        #: Documents that several channels need, made once in a tick.
        self._made: dict[tuple[str, str], Any] = {}
        self._wanted = asyncio.Event()
        self._chores: set[asyncio.Task[Any]] = set()
        self._online: dict[str, bool] = {}
        self._due: set[Channel] = set()

    # -- time ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tick; until cancelled."""
        ticked, took = 0.0, 0.0
        while True:
            patience = max(0.0, ticked + TICK - time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._wanted.wait()
                await asyncio.sleep(max(SOON, 10 * took))  # many watchers that do much shall not keep us busy
            self._wanted.clear()
            began = time.monotonic()
            is_whole = began - ticked >= TICK
            if is_whole:
                ticked = began
            try:
                self._tick(is_whole)
            except Exception:  # one bad document must not end all pages
                logger.exception("the live pages could not be told what changed")
            took = time.monotonic() - began

    def _tick(self, is_whole: bool) -> None:
        now = time.time()
        self._made.clear()
        if is_whole:
            self.daemons.board.tick(now)
            self._record(now)
        if not self.viewers:
            return
        for channel in list(self._due):
            channel.refresh(now)
        self._due.clear()
        for channel in list(self._channels.values()):
            channel.tick(now)

    def _record(self, now: float) -> None:
        """A second has passed."""
        self.seconds += 1
        has_overview = "overview" in self._channels
        for daemon in self.daemons:
            daemon.record(now, self.sockets(daemon))
            if has_overview and daemon.is_online:
                self.sparks.grow(daemon.id, pictures.watchers_of(daemon.model), now)
        if not has_overview:
            self.sparks.clear()

    def wake(self) -> None:
        """Something changed that should be seen soon."""
        if self.viewers:
            self._wanted.set()

    def soon(self, channel: Channel) -> None:
        """A channel has to ask its daemon again."""
        self._due.add(channel)
        self.wake()

    def start(self, chore: Coroutine[Any, Any, Any]) -> None:
        """Do something beside."""
        task = asyncio.get_running_loop().create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._chores.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a chore of the live pages failed", exc_info=task.exception())

    # -- what daemons say ---------------------------------------------------------------------------------------

    def hear(self, daemon: Daemon, kind: str, told: Any) -> None:
        """An input from a daemon, which is in the model already."""
        if self._online.get(daemon.id) != daemon.is_online:
            self._turn(daemon)
        if kind == "event" and told["event"] in ("updated", "add", "remove", "reload"):
            self.facts_of(daemon).forget(told["res_name"])
        if not self.viewers or kind not in _EVENT_KINDS:
            return
        for channel in list(self._channels.values()):
            channel.hear(daemon, kind, told)
        if kind != "statuses":
            self._wanted.set()

    def _turn(self, daemon: Daemon) -> None:
        """A daemon came, or went."""
        known = self._online.get(daemon.id)
        self._online[daemon.id] = daemon.is_online
        if known is None and not daemon.is_online:
            return
        logger.info("%s is %s", daemon.endpoint, "online" if daemon.is_online else "offline")
        text = _state_of(daemon)
        for viewer in self.viewers:
            viewer.outbox.put(text)
            viewer.wake()
        if daemon.is_online:
            self.facts_of(daemon).forget()
            self.relay_of(daemon).reopen()
            self._due.update(channel for channel in self._channels.values() if daemon in channel.daemons())
            self.start(self._meet(daemon))

    async def _meet(self, daemon: Daemon) -> None:
        """Learn once which daemon it is: another one may have been installed while it was away."""
        with contextlib.suppress(Problem):
            await daemon.ask_self()

    def forget(self, daemon: Daemon) -> None:
        """A daemon was disconnected."""
        for topic, channel in list(self._channels.items()):
            if isinstance(channel, Watcher) and channel.daemon is daemon:
                channel.tell(encoded({"type": "gone", "topic": topic, "reason": "its daemon was disconnected"}))
                for viewer in list(channel.viewers):
                    self.unsubscribe(viewer, topic)
        facts, relay = self._facts.pop(daemon.id, None), self._relays.pop(daemon.id, None)
        if facts is not None:
            facts.close()
        if relay is not None:
            relay.close()
        self._online.pop(daemon.id, None)
        self.wake()

    def facts_of(self, daemon: Daemon) -> Facts:
        """What is known of its watchers' options."""
        if daemon.id not in self._facts:
            self._facts[daemon.id] = Facts(daemon)
        return self._facts[daemon.id]

    def relay_of(self, daemon: Daemon) -> OutputRelay:
        """Its workers' output."""
        if daemon.id not in self._relays:
            self._relays[daemon.id] = OutputRelay(daemon)
        return self._relays[daemon.id]

    # -- documents that several channels need -------------------------------------------------------------------

    def overview(self, daemon: Daemon, now: float) -> dict[str, Any]:
        """A daemon in numbers."""
        key = ("overview", daemon.id)
        if key not in self._made:
            told = {
                "id": daemon.id, "endpoint": daemon.endpoint, "name": daemon.label, "online": daemon.is_online,
                "since": round(daemon.since, 3),
                **pictures.overview(daemon.model, daemon.news, now, self.facts_of(daemon).known),
            }  # fmt: skip
            if daemon.ssh:
                told["ssh"] = daemon.ssh
            if "version" in daemon.build:
                told["version"] = daemon.build["version"]
            if not daemon.is_online:
                told["reason"] = daemon.model.note
            self._made[key] = told
        found: dict[str, Any] = self._made[key]
        return found

    def own_cost(self, now: float) -> dict[str, Any]:
        """What this program uses itself."""
        return {**self._cost.look(now), "pages": len(self.viewers), "version": __version__}

    def sockets(self, daemon: Daemon) -> dict[str, Any]:
        """Its managed sockets."""
        key = ("sockets", daemon.id)
        if key not in self._made:
            facts = self.facts_of(daemon).known
            self._made[key] = pictures.sockets_of(daemon.model, daemon.sockets, facts) if daemon.sockets else {}
        found: dict[str, Any] = self._made[key]
        return found

    # -- pages --------------------------------------------------------------------------------------------------

    def enter(self, viewer: Viewer) -> None:
        """A page is there. It is told which daemons are not."""
        self.viewers.add(viewer)
        viewer.outbox.put(encoded({"type": "hello", "epoch": self.epoch, "time": time.time()}))
        for daemon in self.daemons:
            if not daemon.is_online:
                viewer.outbox.put(_state_of(daemon))

    def leave(self, viewer: Viewer) -> None:
        """A page is gone."""
        self.viewers.discard(viewer)
        for topic in list(viewer.channels):
            self.unsubscribe(viewer, topic)
        self.follow(viewer, [], [], 0)

    def subscribe(self, viewer: Viewer, topic: str, endpoint: str | None = None) -> None:
        """A page wants to know about a topic, or wants a new snapshot of it.

        :param endpoint: for ``watcher:NAME`` without the id of a daemon: whose.
        :raises Problem: there is no such topic, or no such daemon.
        """
        if len(viewer.channels) >= _TOPICS_OF_A_PAGE:
            raise Problem(409, f"a page can listen to {_TOPICS_OF_A_PAGE} topics")
        channel = self._channels.get(topic)
        if channel is None:
            channel = self._channels[topic] = self._make(topic, endpoint)
            if isinstance(channel, Overview):
                for daemon in self.daemons:
                    self.sparks.grow(daemon.id, pictures.watchers_of(daemon.model), time.time())
        if not channel.viewers:
            channel.refresh()
        channel.viewers.add(viewer)
        viewer.channels[topic] = channel
        viewer.outbox.want(channel)
        viewer.wake()

    def _make(self, topic: str, endpoint: str | None) -> Channel:
        kind = KINDS.get(topic)
        if kind is not None:
            return kind(self, topic)
        word, _, rest = topic.partition(":")
        if word != "watcher" or not rest or len(rest) > 300:
            raise Problem(422, f"there is no topic {topic[:100]!r} (there are {', '.join(KINDS)}, and watcher:ID/NAME)")
        wanted, slash, name = rest.partition("/")
        if slash and any(daemon.id == wanted for daemon in self.daemons):
            return Watcher(self, topic, self.daemons.find(wanted), name)
        return Watcher(self, topic, self.daemons.find(endpoint), rest)

    def unsubscribe(self, viewer: Viewer, topic: str) -> None:
        """A page wants no more of a topic."""
        channel = viewer.channels.pop(topic, None)
        if channel is None:
            return
        viewer.outbox.forget(channel)
        channel.viewers.discard(viewer)
        if not channel.viewers:
            self._channels.pop(topic, None)
            self._due.discard(channel)

    def follow(self, viewer: Viewer, daemons: list[Daemon], watchers: list[str], lines: int) -> None:
        """Output for a page from now on, in the place of what it followed before.

        :param daemons: whose; none for no output.
        :param watchers: names; empty for all.
        """
        for relay, follower in viewer.followers:
            relay.leave(follower)
        viewer.followers.clear()
        for daemon in daemons:
            relay, follower = self.relay_of(daemon), Follower(watchers, lines, _sender(viewer))
            viewer.followers.append((relay, follower))
            self.start(relay.follow(follower))

    def close(self) -> None:
        """No more pages."""
        for task in self._chores:
            task.cancel()
        for facts in self._facts.values():
            facts.close()
        for relay in self._relays.values():
            relay.close()


def _sender(viewer: Viewer) -> Callable[[str, int], None]:
    """What brings lines of output to a page."""

    def deliver(text: str, count: int) -> None:
        viewer.outbox.put(text, "lines", count)
        viewer.wake()

    return deliver


def _state_of(daemon: Daemon) -> str:
    kind = "online" if daemon.is_online else "offline"
    return encoded({"type": kind, "endpoint": daemon.id, "since": daemon.since, "reason": daemon.model.note})
