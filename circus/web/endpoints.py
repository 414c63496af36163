"""The daemons the console is connected to: each with its model, what feeds it, and a line for requests.

Given on the command line, typed into the page, or picked from those that were discovered. The model and its feed are
those of circus-top (:mod:`circus.model.dashboard`, :mod:`circus.top.feed`); requests of users go by a connection of
their own, in the user's name.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import zmq

from circus.client import AsyncCircusClient
from circus.exc import CallError, TransportError
from circus.model.dashboard import Dashboard, Endpoint
from circus.model.dashboard.endpoint import topic_name
from circus.model.messages import clean_caller
from circus.system.endpoint import parse_endpoint
from circus.top.feed import Feed
from circus.top.link import Link, make_context
from circus.top.targets import Target
from circus.web.news import News
from circus.web.pictures import watchers_of
from circus.web.problems import Problem, refusal
from circus.web.records import Records

#: Seconds that somebody waits for an answer that needs no waiting on the daemon's side.
PATIENCE = 5.0
#: How many daemons may be connected at once.
MOST = 64


class _SigningClient(AsyncCircusClient):
    """Lets each message say itself who sends it, under ``sender``."""

    def call(self, cmd: dict[str, Any]) -> Any:
        sender = cmd.pop("sender", None)
        return super().call({**cmd, "caller": sender} if sender else cmd)


class _UsersLink(Link):
    """A connection for requests of users."""

    def _connect(self) -> AsyncCircusClient:
        try:
            return _SigningClient(self._context, self.endpoint, ssh_server=self.ssh_server)
        except (zmq.ZMQError, ImportError) as error:
            raise CallError(f"cannot connect to {self.endpoint}: {error}") from error


def endpoint_id(endpoint: str, ssh: str | None = None) -> str:
    """What an endpoint is called in addresses: short, and the same for ever."""
    return hashlib.sha256(f"{endpoint} {ssh or ''}".encode()).hexdigest()[:8]


def label_of(endpoint: str, ssh: str | None = None) -> str:
    """What an endpoint is called on a page."""
    scheme, _, rest = endpoint.partition("://")
    name = rest.replace("127.0.0.1", "localhost") if scheme == "tcp" else "/".join(rest.split("/")[-2:])
    return f"{name} at {ssh}" if ssh else name


class _WebFeed(Feed):
    """The feed of circus-top, with the event endpoint named by hand if it has to be."""

    pubsub: str | None = None

    async def _find_endpoints(self) -> dict[str, Any]:
        told = await super()._find_endpoints()
        return {**told, "pubsub_endpoint": self.pubsub} if self.pubsub else told


class Daemon:
    """One daemon.

    :param target: where it is.
    :param context: the ZeroMQ context to use.
    :param board: where its model is.
    :param heard: called with this daemon and the kind of each input.
    """

    def __init__(
        self, target: Target, context: zmq.Context[Any], board: Dashboard, heard: Callable[[Daemon, str, Any], None]
    ) -> None:
        assert target.control is not None
        self.target, self.context = target, context
        self.endpoint, self.ssh, self.id = target.control, target.ssh, target.name
        self.label = label_of(self.endpoint, self.ssh)
        self.model: Endpoint = board.add(self.id)
        #: When the connection came or went last, epoch seconds.
        self.since = time.time()
        self.is_online = False
        #: Where it publishes events and output, once it has said so.
        self.pubsub: str | None = None
        self.news, self.records = News(), Records()
        #: What ``listsockets`` told last.
        self.sockets: list[dict[str, Any]] = []
        #: ``version``, ``compat_version`` and ``python`` of the daemon; empty for one that does not tell.
        self.build: dict[str, Any] = {}
        self._listed = asyncio.Event()
        #: ``configured`` on the command line, or ``added`` by a user.
        self.source = "configured"
        self._board, self._heard = board, heard
        self._link = _UsersLink(context, self.endpoint, self.ssh)
        self._feed = _WebFeed(context, target, self._take)
        self._task: asyncio.Task[None] | None = None

    def start(self, pubsub: str | None = None) -> None:
        """Connect, on the running loop."""
        self._feed.pubsub = pubsub
        self._task = asyncio.get_running_loop().create_task(self._feed.run(), name=f"feed {self.endpoint}")

    async def stop(self) -> None:
        """Disconnect."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._link.close()
        self._board.endpoints.pop(self.id, None)

    def _take(self, name: str, kind: str, data: Any, now: float) -> None:
        """An input of the feed, on its way into the model."""
        self._board.take(name, kind, data, now)
        told = data
        if kind == "event":
            told = self.news.take_event(data[0], data[1], self._name_of(data[0]))
        elif kind == "journal":
            self.news.take_journal(data)
        elif kind == "sockets":
            self.sockets = data
        elif kind == "statuses":
            self._listed.set()
        elif kind == "connected":
            self.pubsub = data.get("pubsub") or self.pubsub
            self._set_online(True, now)
        elif kind == "lost":
            self._set_online(False, now)
        if told is not None:
            self._heard(self, kind, told)

    @property
    def is_listed(self) -> bool:
        """Whether it has said which watchers there are."""
        return self._listed.is_set()

    async def look(self) -> None:
        """Make sure that it is there, and that the model has its watchers.

        :raises Problem: it does not answer.
        """
        await self.call("numwatchers")
        try:
            async with asyncio.timeout(PATIENCE):
                await self._listed.wait()
        except TimeoutError as error:
            raise Problem(503, f"{self.endpoint} has not said yet which watchers there are") from error

    def record(self, now: float, sockets: Mapping[str, Any]) -> None:
        """A second has passed: keep what was measured for the charts."""
        if self.is_online:
            self.records.take(watchers_of(self.model), now, self.queues(sockets))

    def queues(self, sockets: Mapping[str, Any]) -> dict[str, float]:
        """Connections that wait for a watcher, by its key.

        :param sockets: the managed sockets as they are shown.
        """
        found: dict[str, float] = {}
        for sock in sockets.values():
            for name in sock["consumers"] if "queue" in sock else ():
                found[topic_name(name)] = found.get(topic_name(name), 0) + sock["queue"]
        return found

    def _name_of(self, topic: str) -> str:
        """How the watcher of an event is shown."""
        key = topic.partition(".")[2].rpartition(".")[0]
        node = self.model.root.children.get(key)
        return node.name if node is not None else key

    def _set_online(self, is_online: bool, now: float) -> None:
        if is_online != self.is_online:
            self.is_online, self.since = is_online, now

    async def ask(
        self, command: str, properties: dict[str, Any] | None = None, *, patience: float = PATIENCE, sender: str = ""
    ) -> dict[str, Any]:
        """Send a request; the reply, which may report an error.

        :param sender: who sends it: part of the cause of what follows.
        :raises Problem: nobody answers (503), or not in time (504).
        """
        message: dict[str, Any] = {"command": command, "properties": properties or {}}
        if sender:
            message["sender"] = clean_caller(sender)
        try:
            return await self._link.send(message, patience)
        except CallError as error:
            if "Timed out" in str(error):
                text = f"{command} was sent, and {self.endpoint} did not answer within {patience:g} seconds"
                raise Problem(504, text) from error
            raise Problem(503, f"{self.endpoint} does not answer: {error}", endpoint=self.id,
                          since=None if self.is_online else self.since) from error  # fmt: skip

    async def ask_self(self) -> dict[str, Any]:
        """What the daemon uses itself; its versions are remembered. :raises Problem: it does not answer."""
        reply = await self.call("dstats")
        self.build = {key: reply[key] for key in ("version", "compat_version", "python") if key in reply}
        info: dict[str, Any] = reply.get("info") or {}
        return info

    async def ask_past(self, key: str, since: float) -> None:
        """Have the samples of the last day, one a minute, told to the model, if circusd-stats keeps them."""
        await self._feed.ask_history(key, since, "minute")

    async def ask_plan(self) -> dict[str, Any]:
        """What a reloadconfig would do. :raises Problem: it cannot tell (409), or does not answer."""
        reply = await self.ask("events", {"limit": 1})  # as old as this command is the dry run
        if reply.get("errno") == 2:
            raise Problem(409, f"{self.endpoint} cannot tell beforehand what it would change: its circusd is too old")
        return await self.call("reloadconfig", {"dry_run": True}, patience=15.0)

    async def call(self, command: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """:meth:`ask`, where a reply that reports an error is raised as Problem."""
        reply = await self.ask(command, properties, **more)
        if reply.get("status") == "error":
            raise refusal(reply)
        return reply


class Daemons:
    """All of them, by id; the first one is meant when nobody says which.

    :param heard: called with a daemon and the kind of each input from it.
    """

    def __init__(self, heard: Callable[[Daemon, str, Any], None]) -> None:
        self.board = Dashboard()
        self._heard = heard
        self._context = make_context()
        self._by_id: dict[str, Daemon] = {}
        #: Control endpoints that answered the last question to everybody.
        self.discovered: list[str] = []

    def __iter__(self) -> Iterator[Daemon]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def add(
        self, endpoint: str, ssh: str | None = None, *, pubsub: str | None = None, stats: str | None = None,
        source: str = "configured",
    ) -> Daemon:
        """Connect to a daemon; nothing happens if it is connected.

        :raises Problem: that is no endpoint, or there are too many.
        """
        try:
            parsed = parse_endpoint(endpoint)
        except TransportError as error:
            raise Problem(422, str(error)) from error
        if parsed.scheme not in ("tcp", "ipc"):
            raise Problem(422, f"bad endpoint {endpoint!r}: it begins with tcp:// or ipc://")
        found = endpoint_id(endpoint, ssh)
        if found not in self._by_id:
            if len(self._by_id) >= MOST:
                raise Problem(409, f"{MOST} daemons are connected; disconnect one first")
            daemon = Daemon(Target(found, endpoint, stats, ssh), self._context, self.board, self._heard)
            self._by_id[found] = daemon
            daemon.source = source
            daemon.start(pubsub)
        return self._by_id[found]

    async def remove(self, daemon: Daemon) -> None:
        """Disconnect from a daemon."""
        if self._by_id.pop(daemon.id, None) is not None:
            await daemon.stop()

    def find(self, wanted: str | None) -> Daemon:
        """The daemon with an id, or at an endpoint; the first one for None.

        :raises Problem: there is none.
        """
        for daemon in self:
            if wanted is None or wanted in (daemon.id, daemon.endpoint):
                return daemon
        raise Problem(404, "no daemon is connected" if wanted is None else f"no daemon {wanted!r} is connected")

    async def close(self) -> None:
        """Disconnect from all, and give up the context."""
        await asyncio.gather(*(self.remove(daemon) for daemon in self))
        self._context.destroy(linger=0)
