"""Everything that is asked of and heard from one daemon, brought to the model as inputs.

One :class:`Feed` for each daemon; the screen and the batch modes start it and read the model. It keeps three wires:
requests to the control endpoint, the events, and the statistics stream; and where there is no stream it asks ``stats``
instead, and says so. Whatever fails is an input, too. It knows no terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import zmq

from circus.exc import CallError, CircusError
from circus.top.following import Following
from circus.top.link import Link
from circus.top.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from circus.top.targets import Target

#: Seconds without a message of the stream after which it is taken to be silent.
SILENCE = 3.0
#: Seconds between two looks at the status of all watchers, which also tell that the daemon is there.
BEAT = 2.0
#: Seconds a daemon has to answer before it counts as lost.
PATIENCE = 3.0
_RETRY = 0.5
#: Seconds for which an event that a reply tells may still be on its way here as a message of its own.
_ON_THE_WAY = 1.0
_SIZED_AT_ONCE = 50
#: Seconds between two questions for memory, which cost the other side something; and half of how many are asked about.
WEIGHING = 2.0
_WEIGHED_FIRST = 50
_UNCONTROLLED = "only statistics: name the daemon with --control to see output, events and causes, and to act"
_REFRESHING = frozenset({"start", "stop", "add", "remove", "reload", "updated"})


class Feed(Following):
    """The wires to one daemon.

    :param context: the ZeroMQ context to use.
    :param target: where the daemon is.
    :param take: the way into the model: ``(endpoint name, kind, data, time)``.
    :param with_past: ask for history and journal, too (a table printed once needs neither).
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        target: Target,
        take: Callable[[str, str, Any, float], None],
        *,
        with_past: bool = True,
    ) -> None:
        super().__init__()
        self.target = target
        self._context = context
        self._take_in = take
        self._with_past = with_past
        self._link: Link | None = None
        self._query: Link | None = None
        self._events: Subscription | None = None
        self._stats: Subscription | None = None
        self._heard_at = 0.0
        self._asked_history = False
        self._seq = 0
        self._run_id = ""
        self._source = ""
        self._statuses_wanted = asyncio.Event()
        self._watched: list[tuple[str, int]] = []
        self._weighed: list[int] = []
        self._weigh_from = 0
        self._weigh_at = 0.0
        self._expects_stream = True
        self._names: list[str] = []
        self._unsized: list[str] = []
        self._chores: set[asyncio.Task[Any]] = set()
        #: Commands the daemon does not know, so they are not asked again.
        self.unknown: set[str] = set()

    def take(self, kind: str, data: Any) -> None:
        """An input for the model."""
        self._take_in(self.target.name, kind, data, time.time())

    # -- the life of the connection ------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, feed, and connect again when the daemon is lost; until cancelled."""
        try:
            while True:
                try:
                    await self._connect()
                    await self._attend()
                except (CircusError, zmq.ZMQError, OSError) as error:
                    self.take("lost", {"why": str(error) or type(error).__name__})
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    # A border: whoever answers there is no daemon, or a strange one.
                    self.take("lost", {"why": f"a reply that cannot be read: {error!r}"})
                self._disconnect()
                await asyncio.sleep(_RETRY)
        finally:
            self._disconnect()

    async def _connect(self) -> None:
        stats, pubsub = self.target.stats, None
        if self.target.control is not None:
            told = await self._find_endpoints()
            stats = stats or told.get("stats_endpoint")
            pubsub = told.get("pubsub_endpoint")
        if pubsub:
            pubsub = self.target.reachable(pubsub)
            self._events = await self._subscribe(pubsub, ["watcher."], self._hear_event)
        if stats:
            stats = self.target.reachable(stats)
            self._stats = await self._subscribe(stats, ["stat."], self._hear_stat)
        if self._link is not None:
            self.take("connected", {"control": self.target.control, "stats": stats, "pubsub": pubsub})
            await self._first_look(stats)

    async def _find_endpoints(self) -> dict[str, Any]:
        """What the daemon says of its endpoints. A daemon that was only guessed must be the one of the statistics.

        :raises CallError: it does not answer, and was named.
        """
        assert self.target.control is not None
        self._link = Link(self._context, self.target.control, self.target.ssh)
        try:
            reply = await self._ask("globaloptions", patience=PATIENCE)
        except CallError:
            if not self.target.guessed:
                raise
            reply = {}
        told: dict[str, Any] = reply.get("options", {})
        if self.target.guessed and not _same_place(told.get("stats_endpoint"), self.target.stats):
            self._link.close()
            self._link = None
            return {}
        return told

    async def _subscribe(
        self, endpoint: str, topics: list[str], deliver: Callable[[str, Any], None]
    ) -> Subscription:
        subscription = Subscription(self._context, endpoint, topics, deliver, self.target.ssh)
        await subscription.open()
        return subscription

    async def _first_look(self, stats: str | None) -> None:
        """Everything that makes the first screen full, asked at once."""
        questions = [self._ask_into("statuses", "status"), self._ask_stats(), self._ask_into("sockets", "listsockets")]
        if self._with_past:
            questions.append(self._ask_journal(None))
        await asyncio.gather(*questions)
        if self.target.stats is None and "circusd-stats" not in self._names:
            self._expects_stream = False
        elif self._with_past and stats and stats.startswith("ipc://"):
            self._start(self._open_query(f"{stats}.query"))  # for tcp the stream tells where it is
        await self._ask_sizes()

    def _disconnect(self) -> None:
        for chore in self._chores:
            chore.cancel()
        for wire in (self._link, self._query, self._events, self._stats):
            if wire is not None:
                wire.close()
        self._link = self._query = self._events = self._stats = None
        self._heard_at, self._source, self._asked_history, self._expects_stream = 0.0, "", False, True
        self._seq, self._run_id = 0, ""
        self.unknown.clear()

    async def _attend(self) -> None:
        """Look after the connection until it is lost."""
        began = time.monotonic()
        beat_at, poll_at, missed_at = began + BEAT, began + 1.0, began
        while True:
            now = time.monotonic()
            await self._check_link()
            since = max(self._heard_at, began if self._expects_stream else 0.0)
            silent = self._stats is None or now - since > SILENCE
            if silent and self._link is not None:
                self._set_polling()
                if now >= poll_at:
                    # A daemon with thousands of processes shall not do anything but answer us.
                    poll_at = now + max(1.0, min(10.0, 4 * await self._ask_stats()))
            elif silent and self._stats is not None:
                self._source = ""
                self.take("lost", {"why": f"no statistics at {self._stats.endpoint}"})
            if self._link is not None and (now >= beat_at or self._statuses_wanted.is_set()):
                self._statuses_wanted.clear()
                beat_at = now + BEAT
                await self._ask_into("statuses", "status")
                await self._ask_into("sockets", "listsockets")
                await self._ask_sizes()
            if self._with_past and self._link is not None and now >= missed_at:
                missed_at = now + BEAT
                self._start(self._ask_missed())
            if self._watched and self._link is not None:
                await asyncio.gather(*(self._ask_children(*each) for each in self._watched))
            if self._weighed and now >= self._weigh_at:
                self._weigh_at = now + WEIGHING
                await self._ask_memory()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._statuses_wanted.wait()
                await asyncio.sleep(0.05)  # events come in swarms

    async def _check_link(self) -> None:
        """See at once that the daemon went away, without waiting for a reply that never comes.

        :raises CallError: it did.
        """
        if self._link is not None and not self._link.is_up:
            await asyncio.sleep(_RETRY)
            if not self._link.is_up:
                raise CallError(f"nobody answers at {self._link.endpoint}")

    # -- requests ------------------------------------------------------------------------------------------

    async def _ask(self, command: str, patience: float = PATIENCE, **properties: Any) -> dict[str, Any]:
        if self._link is None:
            raise CallError("not connected")
        return await self._link.call(command, properties, patience)

    async def _ask_into(self, kind: str, command: str) -> None:
        """Ask, and hand the reply's one field of interest to the model."""
        field = {"statuses": "statuses", "sockets": "sockets", "dstats": "info"}[kind]
        reply = await self._ask(command)
        if kind == "statuses" and isinstance(reply.get(field), dict):
            self._names = list(reply[field])
        if field in reply:
            self.take(kind, {"info": reply[field]} if kind == "dstats" else reply[field])

    async def _ask_sizes(self) -> None:
        """How many workers the watchers shall have, some watchers at a time. (The stream tells it by itself.)"""
        if self._source == "stream":
            return
        if not self._unsized:
            self._unsized = list(self._names)
        some, self._unsized = self._unsized[:_SIZED_AT_ONCE], self._unsized[_SIZED_AT_ONCE:]
        replies = await asyncio.gather(*(self._ask("get", name=name, keys=["numprocesses"]) for name in some))
        told = {
            name: reply["options"]["numprocesses"]
            for name, reply in zip(some, replies, strict=True)
            if "numprocesses" in (reply.get("options") or {})
        }
        self.take("sizes", told)

    async def _ask_stats(self) -> float:
        """Ask for all processes. :returns: how long the daemon took."""
        began = time.monotonic()
        reply = await self._ask("stats", patience=10.0)
        if "infos" in reply:
            self.take("stats", {"infos": reply["infos"], "conditions": reply.get("conditions", {})})
        await self._ask_into("dstats", "dstats")
        return time.monotonic() - began

    def _set_polling(self) -> None:
        """Tell that there is no stream; what matters comes first, as a narrow screen cuts the rest off."""
        if self._expects_stream and self._stats is not None:
            why = f"no statistics at {self._stats.endpoint}: polling, without past and i/o (statsd = True)"
        else:
            why = "set statsd = True to see the past and i/o: no statistics stream here, polling"
        self._set_source("polling", why)

    def _set_source(self, source: str, why: str = "") -> None:
        if source != self._source:
            self._source = source
            self.take("source", {"source": source, "why": why})

    async def _ask_children(self, watcher: str, pid: int) -> None:
        with contextlib.suppress(CallError):
            reply = await self._ask("stats", name=watcher, process=pid)
            if "info" in reply:
                self.take("children", {"watcher": watcher, "pid": pid, "info": reply["info"]})

    async def _ask_journal(self, since: int | None) -> None:
        """The events after one (by its number), or the last ones."""
        after = {} if since is None else {"since": since}
        reply = await self.ask_optional("events", {"limit": 500, **after})
        if reply is not None:
            self._run_id = str(reply.get("daemon", ""))
            self._seq = max(self._seq, _newest(reply))
            self.take("journal", reply)

    async def _ask_missed(self) -> None:
        """Make up for events that nobody heard here: a gap in their numbers shows only when another one follows."""
        reply = await self.ask_optional("events", {"limit": 500, "since": self._seq})
        if reply is None:
            return
        if str(reply.get("daemon", "")) != self._run_id:  # another daemon in its place: it counts from the beginning
            self._seq = 0
            await self._ask_journal(None)
        elif _newest(reply) > self._seq:
            await asyncio.sleep(_ON_THE_WAY)
            if _newest(reply) > self._seq:
                self._seq = _newest(reply)
                self.take("journal", reply)

    async def ask_optional(self, command: str, properties: dict[str, Any]) -> dict[str, Any] | None:
        """The reply of a command that older daemons do not know; None if this is one, or it refuses, or is slow."""
        if command in self.unknown:
            return None
        try:
            reply = await self._ask(command, **properties)
        except CallError:
            return None
        if reply.get("status") == "error":
            if reply.get("errno") == 2:
                self.unknown.add(command)
            return None
        return reply

    async def ask_now(self, command: str, **properties: Any) -> dict[str, Any]:
        """The reply to a request that must succeed.

        :raises CallError: there is none, or the daemon refuses.
        """
        reply = await self._ask(command, **properties)
        if reply.get("status") == "error":
            raise CallError(str(reply.get("reason", "refused")))
        return reply

    async def ask_plan(self) -> dict[str, Any] | None:
        """What a reloadconfig would do: the reply of a dry run. None if this daemon has none: it would do it at once.

        :raises CallError: there is no reply, or it says why there is no plan.
        """
        reply = await self._ask("events", limit=1)  # as old as this command is the dry run
        if reply.get("errno") == 2:
            return None
        return await self.ask_now("reloadconfig", dry_run=True)

    async def command(self, message: dict[str, Any], patience: float) -> dict[str, Any]:
        """Send a request of the user; the reply.

        :raises CallError: no reply.
        """
        if self._link is None:
            raise CallError(f"not connected to {self.target.name}")
        return await self._link.send(message, patience)

    # -- statistics and their past -------------------------------------------------------------------------

    def _hear_stat(self, topic: str, payload: Any) -> None:
        self._heard_at = time.monotonic()
        if self._source != "stream":
            if self._link is None:
                self.take("connected", {"control": None, "stats": self.target.stats, "pubsub": None})
            self._set_source("stream", "" if self._link else _UNCONTROLLED)
        self.take("stat", [topic, payload])
        where = payload.get("query_endpoint")
        if isinstance(where, str) and self._query is None and self._with_past:
            self._start(self._open_query(self.target.reachable(where)))

    def _start(self, chore: Any) -> None:
        task = asyncio.ensure_future(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _open_query(self, endpoint: str) -> None:
        """Ask circusd-stats for what it measured before."""
        if self._asked_history:
            return
        self._asked_history = True
        self._query = Link(self._context, endpoint, self.target.ssh)
        try:
            reply = await self._query.call("snapshot", patience=2.0)
        except CallError:
            self._query.close()
            self._query, self._asked_history = None, False
            return
        if isinstance(reply.get("stats"), dict):
            self.take("snapshot", reply["stats"])
        await self.ask_history(None, time.time() - 120)

    async def ask_history(self, watcher: str | None, since: float, resolution: str = "second") -> bool:
        """Have the past of a watcher (or of everything) told to the model. :returns: whether it was."""
        if self._query is None:
            return False
        properties = {"name": watcher, "since": since, "resolution": resolution}
        try:
            reply = await self._query.call("history", properties, patience=2.0)
        except CallError:
            return False
        if "series" not in reply:
            return False
        self.take("history" if resolution == "second" else "long_history", reply)
        return True

    def watch_children(self, workers: list[tuple[str, int]]) -> None:
        """Keep telling the children of these workers (watcher, pid), which the stream does not."""
        fresh = [worker for worker in workers if worker not in self._watched]
        self._watched = workers
        if self._link is not None:
            for worker in fresh:
                self._start(self._ask_children(*worker))

    def weigh(self, pids: list[int]) -> None:
        """Keep telling what the memory of these processes really is; the first ones each time, the others in turns."""
        if self._weighed and not pids:
            self.take("memory", {})
        if pids[:_WEIGHED_FIRST] != self._weighed[:_WEIGHED_FIRST]:
            self._weigh_at = 0.0
        self._weighed = pids

    async def _ask_memory(self) -> None:
        first, rest = self._weighed[:_WEIGHED_FIRST], self._weighed[_WEIGHED_FIRST:]
        begin = self._weigh_from if self._weigh_from < len(rest) else 0
        self._weigh_from = begin + _WEIGHED_FIRST
        asked = [*first, *rest[begin : self._weigh_from]]
        reply: dict[str, Any] = {}
        if self._query is not None and "memory" not in self.unknown:
            with contextlib.suppress(CallError):
                reply = await self._query.call("memory", {"pids": asked}, patience=3.0)
            if reply.get("errno") == 2:
                self.unknown.add("memory")
        told = reply.get("memory")
        if self._weighed:
            self.take("memory", told if isinstance(told, dict) else dict.fromkeys(map(str, asked)))

    # -- events and output ---------------------------------------------------------------------------------

    def _hear_event(self, topic: str, payload: Any) -> None:
        if topic.startswith("output."):
            if self.is_followed(payload):
                self.take("output", payload)
            return
        seq = payload.get("seq")
        if isinstance(seq, int):
            if self._seq and seq > self._seq + 1:
                self._start(self._ask_journal(self._seq))
            self._seq = max(self._seq, seq)  # one that the journal told already may come behind it
        self.take("event", [topic, payload])
        if topic.rpartition(".")[2] in _REFRESHING:
            self._statuses_wanted.set()


def _newest(reply: dict[str, Any]) -> int:
    """The number of the last event of a journal."""
    return max((event.get("seq") or 0 for event in reply.get("events") or ()), default=0)


def _same_place(one: Any, other: str | None) -> bool:
    """Whether two endpoints are the same, however they are written."""

    def plain(endpoint: str) -> str:
        return endpoint.replace("//localhost:", "//127.0.0.1:").replace("//0.0.0.0:", "//127.0.0.1:")

    return isinstance(one, str) and other is not None and plain(one) == plain(other)
