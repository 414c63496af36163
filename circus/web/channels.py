"""The topics a live page can subscribe to: for each its document, made anew with every tick, and told as changes.

A channel is one topic. It exists while some page listens. Its document is made once, and its messages are encoded
once, however many pages listen. Used by :mod:`circus.web.live`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from circus.model.dashboard import Node
from circus.model.dashboard.endpoint import topic_name
from circus.web import pictures
from circus.web.encoding import encoded
from circus.web.mergepatch import apply, diff, prune
from circus.web.problems import Problem
from circus.web.records import past_series
from circus.web.secrecy import masked, secrets_in

if TYPE_CHECKING:
    from circus.web.endpoints import Daemon
    from circus.web.live import Hub, Viewer

#: Seconds between two questions that a channel asks by itself.
_ASK_EVERY = 5.0
_EVENTS, _EVENTS_OF_ONE = 500, 50


class Channel:
    """One topic.

    :param hub: where it belongs.
    :param topic: as pages name it.
    """

    def __init__(self, hub: Hub, topic: str) -> None:
        self.hub, self.topic = hub, topic
        self.viewers: set[Viewer] = set()
        #: The number of the last message; that of a snapshot is the one before its first delta.
        self.n = 0
        self.data: dict[str, Any] = {}
        self._asked_at = 0.0
        self._snapshot: str | None = None

    # -- what a kind of channel is ------------------------------------------------------------------------------

    def build(self, now: float) -> dict[str, Any] | None:
        """The document now; None while there is none."""
        raise NotImplementedError

    def extra(self, now: float) -> dict[str, Any]:
        """What only a snapshot has, merged into the document: series, which grow."""
        return {}

    def growth(self, now: float) -> dict[str, Any]:
        """What is appended to the series since the last delta, in the places of the arrays."""
        return {}

    def daemons(self) -> list[Daemon]:
        """Those it is about."""
        return list(self.hub.daemons)

    async def ask(self, daemon: Daemon) -> None:
        """Ask a daemon for what no stream tells. :raises Problem: it does not answer."""

    # -- how it is told ------------------------------------------------------------------------------------------

    def _message(self, kind: str, now: float, **more: Any) -> str:
        head = {"type": kind, "topic": self.topic, "epoch": self.hub.epoch, "n": self.n, "time": round(now, 3)}
        return encoded({**head, **{key: value for key, value in more.items() if value}})

    def snapshot(self) -> str | None:
        """The whole document, as it was told to the others; None while there is none."""
        if self._snapshot is None:
            now = time.time()
            if not self.data:
                self.data = self.build(now) or {}
            if not self.data:
                return None
            self._snapshot = self._message("snapshot", now, data=apply(self.data, self.extra(now)))
        return self._snapshot

    def tick(self, now: float) -> None:
        """Tell what has changed."""
        if now - self._asked_at >= _ASK_EVERY:
            self.refresh(now)
        fresh = self.build(now)
        if fresh is None:
            self.data, self._snapshot = {}, None
            return
        if not self.data:
            self.data, self._snapshot = fresh, None
            self.begin()
            return
        patch, growth = diff(self.data, fresh), self.growth(now)
        if patch or growth:
            self.data, self._snapshot = fresh, None
            self.n += 1
            self.tell_delta(self._message("delta", now, data=patch, append=growth))

    def begin(self) -> None:
        """Everybody gets a snapshot."""
        for viewer in self.viewers:
            viewer.outbox.want(self)
            viewer.wake()

    def tell_delta(self, text: str) -> None:
        """A change, for everybody."""
        for viewer in self.viewers:
            viewer.outbox.put_delta(self, text)
            viewer.wake()

    def tell(self, text: str, subject: str = "") -> None:
        """A message that is no delta, for everybody."""
        for viewer in self.viewers:
            viewer.outbox.put(text, subject)
            viewer.wake()

    def refresh(self, now: float = 0.0) -> None:
        """Ask again, soon."""
        self._asked_at = now or time.time()
        for daemon in self.daemons():
            if daemon.is_online:
                self.hub.start(self._ask(daemon))

    async def _ask(self, daemon: Daemon) -> None:
        try:
            await self.ask(daemon)
        except Problem:
            return  # the page says that the daemon is offline
        self.hub.wake()

    def hear(self, daemon: Daemon, kind: str, told: Any) -> None:
        """An input from a daemon: by default it is seen with the next tick."""


class Overview(Channel):
    """All daemons in numbers."""

    def __init__(self, hub: Hub, topic: str) -> None:
        super().__init__(hub, topic)
        self._turn = 0

    def build(self, now: float) -> dict[str, Any]:
        return {"endpoints": {daemon.id: self.hub.overview(daemon, now) for daemon in self.hub.daemons}}

    def extra(self, now: float) -> dict[str, Any]:
        return self._sparks(lambda told: told)

    def growth(self, now: float) -> dict[str, Any]:
        if self._turn == self.hub.seconds:
            return {}
        self._turn = self.hub.seconds
        return self._sparks(lambda told: {measure: values[-1:] for measure, values in told.items()})

    def _sparks(self, part: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for daemon in self.hub.daemons:
            known = self.data.get("endpoints", {}).get(daemon.id, {}).get("watchers", {})
            told = {
                name: {"spark": part(spark)}
                for name, spark in self.hub.sparks.of(daemon.id).items() if name in known
            }
            if told:
                found[daemon.id] = {"watchers": told}
        return {"endpoints": found} if found else {}

    def tick(self, now: float) -> None:
        for daemon in self.hub.daemons:
            self.hub.facts_of(daemon).refresh()
        super().tick(now)


class Watcher(Channel):
    """One watcher with its workers; its topic is ``watcher:ID/NAME``.

    :param daemon: whose.
    """

    def __init__(self, hub: Hub, topic: str, daemon: Daemon, name: str) -> None:
        super().__init__(hub, topic)
        self.daemon, self.name, self.key = daemon, name, topic_name(name)
        self._told: dict[str, Any] = {}
        self._series_until = 0.0
        self._gone = False

    def daemons(self) -> list[Daemon]:
        return [self.daemon]

    def _node(self) -> Node | None:
        node = self.daemon.model.root.children.get(self.key)
        if node is not None:
            self.daemon.records.want(node)
        return node

    def build(self, now: float) -> dict[str, Any] | None:
        node, daemon = self._node(), self.daemon
        if node is None:
            if daemon.is_listed and not self._gone:
                self._gone = True
                self.tell(encoded({"type": "gone", "topic": self.topic, "reason": f"there is no watcher {self.name}"}))
            return None
        self._gone = False
        facts = self.hub.facts_of(daemon)
        facts.refresh()
        problem = pictures.problems_of(daemon.model, daemon.news, now).get(self.key)
        known = facts.known.get(self.key, {})
        sockets = [name for name, sock in self.hub.sockets(daemon).items() if node.name in sock["consumers"]]
        queue = daemon.queues(self.hub.sockets(daemon)).get(self.key)
        picture = pictures.watcher_picture(node, daemon.news, now, problem, known)
        return {
            "endpoint": daemon.id,
            "watcher": prune({**picture, "sockets": sockets, "queue": queue}),
            "workers": pictures.workers_of(node),
            "events": daemon.news.last(_EVENTS_OF_ONE, self.key),
            **self._told,
        }

    def extra(self, now: float) -> dict[str, Any]:
        node = self._node()
        if node is None:
            return {}
        last = self.daemon.records.last(self.key)
        if not self._series_until or len(self.viewers) == 1:
            self._series_until = last or now  # without a record: the first one is growth
        # Not a sample more: those who listen already get it as growth, and so will the new one.
        return {"series": self.daemon.records.series(node, until=self._series_until)}

    def growth(self, now: float) -> dict[str, Any]:
        node, last = self._node(), self.daemon.records.last(self.key)
        if node is None or last <= self._series_until or not self._series_until:
            self._series_until = self._series_until or last
            return {}
        told = self.daemon.records.series(node, self._series_until)
        self._series_until = last
        return {"series": told}

    async def ask(self, daemon: Daemon) -> None:
        node = self._node()
        if node is None:
            return
        options = (await daemon.ask("options", {"name": node.name})).get("options") or {}
        told: dict[str, Any] = {"options": prune(masked(options)), "secrets": secrets_in(options)}
        why = await daemon.ask("why", {"name": node.name})
        if "story" in why:
            told["why"] = prune({key: value for key, value in why.items() if key not in ("id", "time")})
            for worker in told["why"].get("workers", ()):
                worker.pop("age", None)  # it would change with every look
        self._told = told

    def hear(self, daemon: Daemon, kind: str, told: Any) -> None:
        if daemon is self.daemon and kind == "event" and told.get("res_name") == self.key:
            self.hub.soon(self)


class Events(Channel):
    """What happened; each event is also told at once."""

    def build(self, now: float) -> dict[str, Any]:
        return {"since": {daemon.id: daemon.since for daemon in self.hub.daemons}}

    def extra(self, now: float) -> dict[str, Any]:
        found = [
            {**event, "endpoint": daemon.id} for daemon in self.hub.daemons for event in daemon.news.last(_EVENTS)
        ]
        found.sort(key=lambda event: event.get("time") or 0)
        return {"events": found[-_EVENTS:]}

    def snapshot(self) -> str | None:
        self._snapshot = None
        return super().snapshot()

    def hear(self, daemon: Daemon, kind: str, told: Any) -> None:
        if kind == "journal":  # some were missed, and have been made up for
            self.begin()
        elif kind == "event":
            self.tell(encoded({"type": "event", "endpoint": daemon.id, "data": told}), "events")


class Sockets(Channel):
    """The managed sockets."""

    def __init__(self, hub: Hub, topic: str) -> None:
        super().__init__(hub, topic)
        self._turn = 0

    def build(self, now: float) -> dict[str, Any]:
        found = {}
        for daemon in self.hub.daemons:
            self.hub.facts_of(daemon).refresh()
            found[daemon.id] = {
                "name": daemon.label, "online": daemon.is_online, "sockets": self.hub.sockets(daemon),
            }  # fmt: skip
        return {"endpoints": found}

    def extra(self, now: float) -> dict[str, Any]:
        return self._sparks(lambda node: pictures.spark(node, now, ("count",))["count"])

    def growth(self, now: float) -> dict[str, Any]:
        if self._turn == self.hub.seconds:
            return {}
        self._turn = self.hub.seconds
        return self._sparks(lambda node: [node.values.get("reads")])

    def _sparks(self, part: Callable[[Node], list[Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for daemon in self.hub.daemons:
            nodes = pictures.socket_nodes(daemon.model)
            told = {
                name: {"spark": {"reads": part(nodes[sock["fd"]])}}
                for name, sock in self.data.get("endpoints", {}).get(daemon.id, {}).get("sockets", {}).items()
                if sock.get("fd") in nodes
            }
            if told:
                found[daemon.id] = {"sockets": told}
        return {"endpoints": found} if found else {}


class Plugins(Channel):
    """The plugins, which are watchers."""

    def __init__(self, hub: Hub, topic: str) -> None:
        super().__init__(hub, topic)
        self._options: dict[tuple[str, str], Any] = {}

    def build(self, now: float) -> dict[str, Any]:
        found = {}
        for daemon in self.hub.daemons:
            self.hub.facts_of(daemon).refresh()
            told = self.hub.overview(daemon, now)["watchers"]
            plugins = {
                name: {**picture, **self._options.get((daemon.id, name), {})}
                for name, picture in told.items() if picture["plugin"]
            }
            found[daemon.id] = {"name": daemon.label, "online": daemon.is_online, "plugins": plugins}
        return {"endpoints": found}

    async def ask(self, daemon: Daemon) -> None:
        for node in pictures.watchers_of(daemon.model):
            if node.name.startswith("plugin:"):
                options = (await daemon.ask("options", {"name": node.name})).get("options") or {}
                self._options[daemon.id, node.name] = pictures.plugin_picture(options)


class DaemonItself(Channel):
    """circusd, and what runs with it; and this console."""

    def __init__(self, hub: Hub, topic: str) -> None:
        super().__init__(hub, topic)
        self._told: dict[str, Any] = {}
        self._turn = 0

    def build(self, now: float) -> dict[str, Any]:
        return {"endpoints": {daemon.id: self._one(daemon) for daemon in self.hub.daemons},
                "console": self.hub.own_cost(now)}  # fmt: skip

    def _one(self, daemon: Daemon) -> dict[str, Any]:
        model, told = daemon.model, self._told.get(daemon.id, {})
        node = pictures.circusd_node(model)
        own = pictures.worker_picture(node) if node is not None else {}
        return prune({
            "online": daemon.is_online, "since": daemon.since, "endpoint": daemon.endpoint, "name": daemon.label,
            "ssh": daemon.ssh, "pubsub_endpoint": daemon.pubsub, "source": model.source, "note": model.note,
            "processes": pictures.daemon_processes(model), **daemon.build, **told,
            **{key: own.get(key) for key in ("pid", "cpu", "rss", "threads", "fds")}, "uptime": own.get("age"),
        })  # fmt: skip

    def extra(self, now: float) -> dict[str, Any]:
        return self._series(lambda node: past_series(node.history, ("cpu", "rss")), math.nan)

    def growth(self, now: float) -> dict[str, Any]:
        if self._turn == self.hub.seconds:
            return {}
        self._turn = self.hub.seconds
        return self._series(lambda node: {
            "time": [round(now, 2)], "cpu": [pictures.rounded(node.values.get("cpu"))],
            "rss": [pictures.whole(node.values.get("rss"))],
        }, now)  # fmt: skip

    def _series(self, part: Callable[[Node], dict[str, list[Any]]], now: float) -> dict[str, Any]:
        found = {}
        for daemon in self.hub.daemons:
            node = pictures.circusd_node(daemon.model)
            if node is not None and daemon.is_online:
                told = part(node)
                stall = self._told.get(daemon.id, {}).get("stall") if now == now else None
                found[daemon.id] = {"series": {**told, "stall": [stall] * len(told["time"])}}
        return {"endpoints": found} if found else {}

    async def ask(self, daemon: Daemon) -> None:
        info = await daemon.ask_self()
        options = (await daemon.call("globaloptions")).get("options") or {}
        self._told[daemon.id] = {
            "globals": options, "stall": info.get("loop_stall_max"), "stats_endpoint": options.get("stats_endpoint"),
        }  # fmt: skip


#: Topic -> its channel; ``watcher:`` has names.
KINDS: dict[str, type[Channel]] = {
    "overview": Overview, "events": Events, "sockets": Sockets, "plugins": Plugins, "daemon": DaemonItself,
}  # fmt: skip
