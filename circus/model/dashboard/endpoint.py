"""One daemon as a dashboard sees it: its tree of watchers and workers, its events, how fresh all that is.

Everything heard comes in through :meth:`Endpoint.take` as ``(kind, data, time)``, where data is JSON; so a recording
of the inputs is a recording of the session. It does not know how the inputs were got.
"""

from __future__ import annotations

from circus.model.dashboard.columns import ASKED
from circus.model.dashboard.happenings import Chronicle, Happening, happening
from circus.model.dashboard.node import CHILD, DAEMON, ENDPOINT, SOCKET, SOCKETS, WATCHER, WORKER, Node
from circus.model.dashboard.output import OutputBook
from circus.model.dashboard.samples import number, sum_up, take_sample
from circus.model.dashboard.series import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

#: Watchers that belong to Circus itself; their processes are shown with the daemon's.
HOUSE = frozenset({"circusd-stats", "circushttpd"})
#: Children are told only while somebody looks at them; so long they stay when nobody does.
_CHILDREN_STAY = 5.0
_HOUR = 3600.0


def topic_name(name: str) -> str:
    """A watcher's name as topics have it (spec wire.md 7)."""
    return name.lower().replace(" ", "_")


class Endpoint:
    """What is known of one daemon.

    :param name: how it is called on the screen.
    :param timeout: seconds after which a process that is no longer heard of is dropped.
    """

    def __init__(self, name: str, timeout: float = 3.0) -> None:
        self.name = name
        self.timeout = timeout
        self.root = Node(ENDPOINT, name, name)
        #: ``connecting``, ``live`` or ``lost``.
        self.state = "connecting"
        #: Where the values come from: ``stream``, ``polling``, or nothing yet.
        self.source = ""
        #: Why it is not as good as it could be; for people.
        self.note = ""
        self._chronicle = Chronicle()
        self.output = OutputBook()
        self.has_control = False
        #: When something was last heard, and when something was last measured; epoch seconds.
        self.heard_at = 0.0
        self.sampled_at = 0.0
        self.query_endpoint = ""
        #: Counts what came in, so that who draws knows whether there is anything new.
        self.version = 0
        self._lost: dict[str, float] = {}
        self._had_deaths = False
        self._takers: dict[str, Callable[[Any, float], None]] = {
            "connected": self._take_connected, "lost": self._take_lost, "source": self._take_source,
            "stat": self._take_stat, "snapshot": self._take_snapshot, "stats": self._take_stats,
            "dstats": self._take_dstats, "statuses": self._take_statuses, "sizes": self._take_sizes,
            "sockets": self._take_sockets,
            "event": self._take_event, "journal": self._take_journal, "history": self._take_history,
            "long_history": self._take_long_history,
            "children": self._take_children, "output": self._take_output, "tail": self._take_tail,
            "follow": self._take_follow, "memory": self._take_memory,
        }  # fmt: skip

    @property
    def events(self) -> Sequence[Happening]:
        """What happened, oldest first, as far as it is known and not too long ago."""
        return self._chronicle.events

    # -- the way in ----------------------------------------------------------------------------------------

    def take(self, kind: str, data: Any, now: float) -> None:
        """Take one input.

        :param kind: what it is; an unknown kind is ignored (a recording may be of a later version).
        :param data: as the daemon said it; what has not the shape it should have is ignored, too.
        :param now: epoch seconds.
        """
        taker = self._takers.get(kind)
        if taker is None:
            return
        self.version += 1
        try:
            taker(data, now)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            # A border: whatever a foreign program published must not end the dashboard.
            self.note = f"could not read a message ({kind})"

    def tick(self, now: float) -> None:
        """Time has passed: drop what was not heard of for too long, and sum up. Called once a second."""
        if self.state == "live":
            self._expire(now)
            self._count_deaths(now)
            self._sum(now)

    # -- the connection ------------------------------------------------------------------------------------

    def _take_connected(self, data: Mapping[str, Any], now: float) -> None:
        self.has_control = bool(data.get("control", True))
        if self.state == "lost":
            self._forget_processes()
        self.state, self.note, self.heard_at = "live", "", now
        self.root.values["state"] = "live"

    def _take_lost(self, data: Mapping[str, Any], now: float) -> None:
        self.state, self.note = "lost" if self.state != "connecting" else "connecting", str(data.get("why", ""))
        self.root.values["state"] = self.state

    def _take_source(self, data: Mapping[str, Any], now: float) -> None:
        self.source, self.note = str(data["source"]), str(data.get("why", ""))

    def _forget_processes(self) -> None:
        """After the connection came back: what runs now is told anew; the old pids are history."""
        for node in list(self.root.walk()):
            if node.kind in (WORKER, CHILD, SOCKET):
                node.drop()
        self._chronicle.begin_again()

    # -- statistics ----------------------------------------------------------------------------------------

    def _take_stat(self, data: list[Any], now: float) -> None:
        topic, payload = data
        name = topic.removeprefix("stat.")
        subtopic = payload.get("subtopic")
        if subtopic is not None:
            name = name.removesuffix(f".{subtopic}")
        self.heard_at = self.sampled_at = now
        if name == "sockets":
            if subtopic is not None:
                self._socket(payload["fd"], payload, now)
        elif name == "circus" or name in HOUSE:
            if subtopic is not None:
                self._daemon_process(subtopic, payload.get("name") or name, payload, now)
            elif isinstance(payload.get("query_endpoint"), str):
                self.query_endpoint = payload["query_endpoint"]
        elif self._is_late(name, None if subtopic is None else int(subtopic), payload, now):
            return
        elif subtopic is not None:
            self._worker(self._watcher(name, payload.get("watcher")), int(subtopic), payload, now)
        else:
            self._aggregate(self._watcher(name, payload.get("watcher")), payload, now)

    def _is_late(self, res_name: str, pid: int | None, payload: Mapping[str, Any], now: float) -> bool:
        """Whether it would bring back a row of what has ended since it was measured."""
        watcher = self.root.children.get(res_name)
        if watcher is not None and (pid is None or pid in watcher.children):
            return False
        at = number(payload.get("time")) or now
        return self._chronicle.is_gone(res_name, pid, at) or self._chronicle.is_gone(res_name, None, at)

    def _take_snapshot(self, data: Any, now: float) -> None:
        for item in data.items() if isinstance(data, dict) else data:
            self._take_stat(list(item), now)

    def _watcher(self, res_name: str, name: Any = None) -> Node:
        node = self.root.children.get(res_name)
        if node is None:
            node = Node(WATCHER, res_name, name if isinstance(name, str) else res_name, self.root)
        elif isinstance(name, str) and name != node.name:
            node.name = node.values["name"] = name
        return node

    def _worker(self, watcher: Node, pid: int, info: Mapping[str, Any], now: float) -> None:
        node = watcher.children.get(pid)
        if node is None:
            node = self._new_worker(watcher, pid, info.get("wid"))
        take_sample(node, info, now)
        watcher.seen = node.seen
        if node.values["wid"] != node.named or node.name[: len(watcher.name)] != watcher.name:
            self._name_worker(watcher, node)
        self._fill_in_exits(watcher, node)

    def _name_worker(self, watcher: Node, worker: Node) -> None:
        """Workers are called by watcher and wid, as operators do."""
        worker.named = worker.values.get("wid")
        worker.name = watcher.name if worker.named is None else f"{watcher.name}.{worker.named}"
        worker.values["name"] = worker.name

    def _new_worker(self, watcher: Node, pid: int, wid: Any) -> Node:
        node = Node(WORKER, pid, watcher.name, watcher)
        node.values.update(pid=pid, wid=wid, state="running")
        return node

    def _aggregate(self, watcher: Node, payload: Mapping[str, Any], now: float) -> None:
        watcher.seen = number(payload.get("time")) or now
        values = watcher.values
        for key, wire in (("restarts", "restarts"), ("procs_of", "numprocesses")):
            if (told := number(payload.get(wire))) is not None:
                values[key] = told
        if isinstance(payload.get("status"), str):
            values["state"] = payload["status"]
        self._sum_watcher(watcher, watcher.seen)

    def _sum_watcher(self, watcher: Node, now: float) -> None:
        workers = [node for node in watcher.children.values() if node.kind == WORKER]
        watcher.values["procs"] = len(workers)
        sum_up(watcher, workers, now)

    def _daemon_process(self, pid: int, role: str, info: Mapping[str, Any], now: float) -> None:
        group = self._group(DAEMON, "circus")
        node = group.children.get(pid) or Node(WORKER, pid, role, group)
        node.values["pid"] = pid
        node.values.setdefault("state", "running")
        take_sample(node, info, now)
        node.name = node.values["name"] = role
        group.seen = node.seen

    def _group(self, kind: str, name: str) -> Node:
        key = f" {kind}"  # no watcher's topic name has a blank
        return self.root.children.get(key) or Node(kind, key, name, self.root)

    def _socket(self, fd: int, payload: Mapping[str, Any], now: float) -> None:
        group = self._group(SOCKETS, "sockets")
        node = group.children.get(fd) or Node(SOCKET, fd, str(fd), group)
        values = node.values
        address = payload.get("address") or payload.get("path") or f"{payload.get('host')}:{payload.get('port')}"
        name = payload.get("name")
        node.name = values["name"] = f"{name} {address}" if name else str(address)
        values["queue"] = number(payload.get("queue"))
        values["queue_of"] = number(payload.get("backlog")) if values["queue"] is not None else None
        values["reads"] = number(payload.get("reads"))
        values["overflows"] = number(payload.get("overflows"))
        node.seen = group.seen = now
        node.history.append(now, {"queue": values["queue"], "count": values["reads"]})

    # -- replies -------------------------------------------------------------------------------------------

    def _take_stats(self, data: Mapping[str, Any], now: float) -> None:
        """The reply to ``stats``: all processes there are, in the place of the stream."""
        conditions = data.get("conditions") or {}
        self.heard_at = self.sampled_at = now
        for name, infos in data["infos"].items():
            if name in HOUSE:
                self._poll_house(name, infos, now)
                continue
            watcher = self._watcher(topic_name(name), name)
            told = {int(pid): info for pid, info in infos.items() if isinstance(info, dict)}
            for pid in [pid for pid in watcher.children if pid not in told]:
                watcher.children[pid].drop()
            for pid, info in told.items():
                self._worker(watcher, pid, info, now)
                self._put_children(watcher.children[pid], info.get("children"), now)
            self._take_condition(watcher, conditions.get(name) or {})
            watcher.seen = now
            self._sum_watcher(watcher, now)
            watcher.values["dropped"] = self._lost.get(watcher.key)

    def _poll_house(self, name: str, infos: Mapping[str, Any], now: float) -> None:
        for pid, info in infos.items():
            if isinstance(info, dict):
                self._daemon_process(int(pid), name, info, now)

    def _take_condition(self, watcher: Node, condition: Mapping[str, Any]) -> None:
        waits = condition.get("retry_in")
        spans = waits.values() if isinstance(waits, dict) else [waits]
        known = [span for span in map(number, spans) if span is not None]
        watcher.values["retry_in"] = min(known) if known else None
        streams = condition.get("streams")
        if isinstance(streams, dict):
            told = [stream for stream in streams.values() if isinstance(stream, dict)]
            lost = [number(stream.get("dropped")) for stream in told]
            self._lost[watcher.key] = sum(value for value in lost if value is not None)

    def _take_dstats(self, data: Mapping[str, Any], now: float) -> None:
        info = data["info"]
        self._daemon_process(int(info["pid"]), "circusd", info, now)

    def _take_statuses(self, data: Mapping[str, str], now: float) -> None:
        """All watchers there are, also those without a process."""
        known = {topic_name(name): (name, status) for name, status in data.items() if name not in HOUSE}
        for node in list(self.root.children.values()):
            if node.kind == WATCHER and node.key not in known:
                node.drop()
        for res_name, (name, status) in known.items():
            watcher = self._watcher(res_name, name)
            watcher.values["state"] = str(status)
            watcher.values.setdefault("procs", len(watcher.children))
        self.heard_at = now

    def _take_sizes(self, data: Mapping[str, int], now: float) -> None:
        """How many workers each watcher shall have."""
        for name, size in data.items():
            watcher = self.root.children.get(topic_name(name))
            if watcher is not None:
                watcher.values["procs_of"] = number(size)

    def _take_sockets(self, data: list[Any], now: float) -> None:
        """The reply to ``listsockets``: what there is, while no stream tells how busy it is."""
        group = self.root.children.get(f" {SOCKETS}")
        for fd in [fd for fd in (group.children if group else ()) if fd not in {sock["fd"] for sock in data}]:
            assert group is not None
            group.children[fd].drop()
        for sock in data:
            if group is None or sock["fd"] not in group.children:
                self._socket(sock["fd"], sock, now)

    def _take_children(self, data: Mapping[str, Any], now: float) -> None:
        """The reply to ``stats`` about one process: its children."""
        watcher = self.root.children.get(topic_name(data["watcher"]))
        worker = watcher.children.get(int(data["pid"])) if watcher else None
        if worker is not None and isinstance(data.get("info"), dict):
            self._put_children(worker, data["info"].get("children"), now)

    def _put_children(self, worker: Node, infos: Any, now: float) -> None:
        told = {info["pid"]: info for info in infos or () if isinstance(info, dict) and "pid" in info}
        for pid in [pid for pid in worker.children if pid not in told]:
            worker.children[pid].drop()
        for pid, info in told.items():
            node = worker.children.get(pid) or Node(CHILD, pid, "", worker)
            node.values["pid"] = pid
            take_sample(node, info, now)
            node.name = node.values["name"] = str(info.get("cmdline", pid))
            self._put_children(node, info.get("children"), now)

    def _take_memory(self, data: Mapping[str, Any], now: float) -> None:
        """What the kernel was asked for about some processes, by pid; nothing at all when nobody looks any more."""
        for above in self.root.children.values():
            for node in above.children.values():
                if not data:
                    for key in ASKED:
                        node.values.pop(key, None)
                elif node.kind == WORKER and (pid := str(node.key)) in data:
                    told = data[pid] or {}
                    node.values.update({key: number(told.get(key)) for key in ASKED})

    def _take_history(self, data: Mapping[str, Any], now: float) -> None:
        """Samples from before this session: ``{"web": {"time": [...], "cpu": [...]}, "web.1234": {...}}``."""
        for node, columns in self._series_of(data):
            node.history.prepend(columns["time"], _measures(columns))

    def _take_long_history(self, data: Mapping[str, Any], now: float) -> None:
        """The same, one sample a minute."""
        for node, columns in self._series_of(data):
            node.past = History()
            node.past.prepend(columns["time"], _measures(columns))

    def _series_of(self, data: Mapping[str, Any]) -> Iterator[tuple[Node, Mapping[str, Any]]]:
        for name, columns in data["series"].items():
            node = self._find_series(name)
            if node is not None and columns.get("time"):
                yield node, columns

    def _find_series(self, name: str) -> Node | None:
        node = self.root.children.get(f" {DAEMON}" if name == "circus" else name)
        if node is not None:
            return node
        watcher, _, pid = name.rpartition(".")
        above = self.root.children.get(f" {DAEMON}") if watcher == "circus" else self.root.children.get(watcher)
        return above.children.get(int(pid)) if above is not None and pid.isdigit() else None

    # -- events --------------------------------------------------------------------------------------------

    def _take_event(self, data: list[Any], now: float) -> None:
        topic, payload = data
        _, _, rest = topic.partition(".")
        res_name, _, event = rest.rpartition(".")
        told = happening(res_name, event, payload)
        if self._chronicle.add(told):
            self._apply(told, now)

    def _take_journal(self, data: Mapping[str, Any], now: float) -> None:
        """The reply to ``events``: what happened before, and what was missed."""
        told = [happening(item["res_name"], item["event"], item) for item in data["events"]]
        fresh = self._chronicle.merge(told, str(data.get("daemon", "")))
        # What the journal tells first is no news when it is told live: the tree has to follow now.
        for fate in self._chronicle.fates({each.pid for each in fresh}):
            if fate.watcher in self.root.children:
                self._apply(fate, now)

    def _apply(self, told: Happening, now: float) -> None:
        """Let the tree follow at once; the next sample makes it exact."""
        if told.watcher in HOUSE:
            return
        if told.event == "reap" and told.watcher in self.root.children:
            self.root.children[told.watcher].values["exit"] = self._chronicle.last_exit(told.watcher)
        if told.event == "remove":
            node = self.root.children.get(told.watcher)
            if node is not None:
                node.drop()
            return
        watcher = self._watcher(told.watcher)
        if told.event == "spawn" and told.pid is not None and told.pid not in watcher.children:
            node = self._new_worker(watcher, told.pid, told.wid)
            node.seen = now
            node.values["age"] = max(0.0, now - told.time)
            self._name_worker(watcher, node)
            self._fill_in_exits(watcher, node)
        elif told.event == "reap" and told.pid in watcher.children:
            watcher.children[told.pid].drop()
        elif told.event == "kill" and told.pid in watcher.children:
            watcher.children[told.pid].values["state"] = "stopping"
        elif told.event in ("start", "stop"):
            watcher.values["state"] = "active" if told.event == "start" else "stopped"
        watcher.values["procs"] = len(watcher.children)

    def _fill_in_exits(self, watcher: Node, worker: Node) -> None:
        """How those before ended; and restarts as far as events tell, where the samples do not count them."""
        chronicle, wid = self._chronicle, worker.values.get("wid")
        worker.values["exit"] = chronicle.last_exit(watcher.key, wid)
        watcher.values["exit"] = chronicle.last_exit(watcher.key)
        if self.source != "stream" or "restarts" not in worker.values:
            worker.values["restarts"] = chronicle.exits(watcher.key, wid)
            watcher.values["restarts"] = chronicle.exits(watcher.key)

    # -- output --------------------------------------------------------------------------------------------

    def _take_follow(self, data: Any, now: float) -> None:
        self.output.begin()

    def _take_output(self, data: Mapping[str, Any], now: float) -> None:
        self.output.take_live(data)

    def _take_tail(self, data: Mapping[str, Any], now: float) -> None:
        self.output.take_tail(data)

    # -- time ----------------------------------------------------------------------------------------------

    def _expire(self, now: float) -> None:
        # While nothing at all is measured, nobody in particular has gone.
        limit = min(now, self.sampled_at) - self.timeout
        for above in list(self.root.children.values()):
            for node in list(above.children.values()):
                if node.kind in (WORKER, SOCKET) and node.seen < limit and not self._is_static(node):
                    node.drop()
                for child in list(node.children.values()):
                    if child.seen < limit - _CHILDREN_STAY:
                        child.drop()
            if not above.children and above.kind in (DAEMON, SOCKETS):
                above.drop()
            if above.kind == WATCHER and not self.has_control and above.seen < limit - 9 * self.timeout:
                above.drop()

    def _is_static(self, node: Node) -> bool:
        """Sockets that were only listed, not measured, do not grow old."""
        return node.kind == SOCKET and self.source != "stream"

    def _count_deaths(self, now: float) -> None:
        deaths = self._chronicle.deaths(now - _HOUR)
        if not deaths and not self._had_deaths:
            return
        self._had_deaths = bool(deaths)
        for watcher in self.root.children.values():
            if watcher.kind == WATCHER:
                watcher.values["died_hour"] = deaths.get((watcher.key, None), 0)
                for worker in watcher.children.values():
                    worker.values["died_hour"] = deaths.get((watcher.key, worker.values.get("wid")), 0)

    def _sum(self, now: float) -> None:
        rows = []
        for node in self.root.children.values():
            if node.kind == DAEMON:
                sum_up(node, node.children.values(), now)
            if node.kind == WATCHER and not node.children:
                self._sum_watcher(node, now)
            if node.kind in (WATCHER, DAEMON):
                rows.append(node)
        watchers = [node for node in rows if node.kind == WATCHER]
        values = self.root.values
        values["procs"] = sum(node.values.get("procs") or 0 for node in watchers)
        values["restarts"] = sum(node.values.get("restarts") or 0 for node in watchers)
        values["died_hour"] = sum(node.values.get("died_hour") or 0 for node in watchers)
        sum_up(self.root, rows, now)


def _measures(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The measures that are drawn, by their names here; a watcher's ``cpu`` is the sum of its workers'."""
    given = {key: columns[key] for key in ("cpu", "rss", "count", "io", "queue") if key in columns}
    if "cpu_sum" in columns:
        given["cpu"] = columns["cpu_sum"]
    return given
