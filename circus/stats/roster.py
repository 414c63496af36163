"""Who is to be measured: watchers and their processes, as a snapshot and the events since then tell.

Pure data, owned by :class:`circus.stats.service.StatsService`. The order that misses nobody: events are subscribed to
first, then a snapshot is asked for, and what was heard between question and answer is applied to the answer again.
Applying an event twice is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Watchers of circusd's own, told under ``circus`` and not by their names.
OWN = frozenset({"circusd", "circusd-stats", "circushttpd"})
#: Events after which more may have changed than they tell.
_STIRRING = frozenset({"start", "stop", "reload", "updated", "add", "remove"})


def topic_name(name: str) -> str:
    """The name of a watcher as it is written in topics."""
    return name.lower().replace(" ", "_")


class Worker:
    """One process of a watcher, as the daemon knows it."""

    __slots__ = ("pid", "restarts", "started", "state", "wid")

    def __init__(self, pid: int, wid: int | None, state: str, started: float, restarts: int) -> None:
        self.pid, self.wid, self.state, self.started, self.restarts = pid, wid, state, started, restarts


class WatcherEntry:
    """One watcher, as the daemon knows it."""

    __slots__ = ("_restarts_by_wid", "dropped", "name", "numprocesses", "res_name", "restarts", "status", "workers")

    def __init__(self, name: str, res_name: str) -> None:
        self.name, self.res_name = name, res_name
        self.status = "active"
        self.numprocesses: int | None = None
        self.restarts = self.dropped = 0
        self.workers: dict[int, Worker] = {}
        #: Also of workers that have ended.
        self._restarts_by_wid: dict[int | None, int] = {}

    def take(self, told: Mapping[str, Any]) -> None:
        """Become what a snapshot says."""
        self.status = str(told.get("status", "active"))
        self.numprocesses = told.get("numprocesses")
        self.restarts, self.dropped = told.get("restarts") or 0, told.get("dropped") or 0
        self.workers = {}
        for pid, facts in told.get("workers", {}).items():
            wid, restarts = facts.get("wid"), facts.get("restarts") or 0
            self._restarts_by_wid[wid] = restarts
            self.workers[int(pid)] = Worker(
                int(pid), wid, facts.get("state") or "running", facts.get("started") or 0.0, restarts
            )

    def spawned(self, payload: Mapping[str, Any], counted: bool) -> None:
        """A process was started; ``counted`` when a snapshot has told of its restart already."""
        pid, wid = int(payload["process_pid"]), payload.get("wid")
        if pid in self.workers:
            return
        if wid in self._restarts_by_wid and not counted:
            self._restarts_by_wid[wid] += 1
            self.restarts += 1
        restarts = self._restarts_by_wid.setdefault(wid, 0)
        self.workers[pid] = Worker(pid, wid, "running", float(payload.get("time") or 0.0), restarts)


class Roster:
    """All watchers of a daemon."""

    def __init__(self) -> None:
        #: By name in topics.
        self.watchers: dict[str, WatcherEntry] = {}
        #: Tells this run of the daemon from every other one; None while it is unknown.
        self.daemon: Any = None
        self.daemon_pid: int | None = None
        #: What was heard since a snapshot was asked for; None while none is.
        self._heard: list[tuple[str, str, Mapping[str, Any]]] | None = None
        self._last_seq = 0

    # -- snapshots ------------------------------------------------------------------------------------------

    def snapshot_asked(self) -> None:
        """A snapshot is asked for now: what is heard from here on is applied to it, too."""
        self._heard = []

    def snapshot_failed(self) -> None:
        """It will not come."""
        self._heard = None

    def take_snapshot(self, reply: Mapping[str, Any]) -> None:
        """Become what the reply to ``dstats`` with ``watchers`` says."""
        info = reply["info"]
        daemon = reply.get("daemon") or (info.get("pid"), info.get("create_time"))
        if daemon != self.daemon:  # a new daemon knows nothing of the past of the old one
            self.watchers.clear()
            self.daemon, self._last_seq = daemon, 0
        self.daemon_pid = info.get("pid")
        known, self.watchers = self.watchers, {}
        for name, told in reply["watchers"].items():
            res_name = str(told.get("res_name") or topic_name(name))
            entry = known.get(res_name) or WatcherEntry(name, res_name)
            entry.name = name
            entry.take(told)
            self.watchers[res_name] = entry
        heard, self._heard = self._heard, None
        asked_before = float(reply.get("time") or 0.0)
        for res_name, event, payload in heard or ():
            self._apply(res_name, event, payload, counted=float(payload.get("time") or 0.0) <= asked_before)

    # -- events ---------------------------------------------------------------------------------------------

    def take_event(self, topic: bytes | str, payload: Mapping[str, Any]) -> bool:
        """Apply an event. True when a new snapshot is due, because more may have changed than it tells.

        :raises ValueError: KeyError: for what is no event.
        """
        text = topic.decode("utf-8", "replace") if isinstance(topic, bytes) else topic
        first, _, rest = text.partition(".")
        res_name, dot, event = rest.rpartition(".")  # a name may have dots, an event has none
        if first != "watcher" or not dot:
            raise ValueError(f"not an event: {text!r}")
        missed = self._missed(payload)
        if self._heard is not None:
            self._heard.append((res_name, event, payload))
        unknown = res_name not in self.watchers
        self._apply(res_name, event, payload)
        return missed or event in _STIRRING or (unknown and event == "spawn")

    def _missed(self, payload: Mapping[str, Any]) -> bool:
        """Whether events before this one did not reach us; a number that went back tells of a new daemon."""
        seq = payload.get("seq")
        if not isinstance(seq, int):
            return False
        last, self._last_seq = self._last_seq, seq
        return bool(last) and seq != last + 1

    def _apply(self, res_name: str, event: str, payload: Mapping[str, Any], counted: bool = False) -> None:
        entry = self.watchers.get(res_name)
        if event == "spawn":
            if entry is None:
                entry = self.watchers[res_name] = WatcherEntry(res_name, res_name)
            entry.spawned(payload, counted)
        elif entry is None:
            return
        elif event == "reap":
            entry.workers.pop(int(payload["process_pid"]), None)
        elif event == "kill":
            worker = entry.workers.get(int(payload["process_pid"]))
            if worker is not None:  # it may survive: it stays until its end is told, or seen
                worker.state = "stopping"
        elif event == "stop":
            entry.status = "stopped"
            entry.workers.clear()
        elif event == "start":
            entry.status = "active"
        elif event == "remove":
            del self.watchers[res_name]

    # -- questions ------------------------------------------------------------------------------------------

    def groups(self) -> Iterator[WatcherEntry]:
        """The watchers that are told by their names."""
        return (entry for name, entry in self.watchers.items() if name not in OWN)

    def roles(self) -> dict[int, str]:
        """Pids of the daemon and of its own programs, with what they are."""
        found = {} if self.daemon_pid is None else {self.daemon_pid: "circusd"}
        for name in ("circusd-stats", "circushttpd"):
            entry = self.watchers.get(name)
            found.update(dict.fromkeys(entry.workers if entry is not None else (), name))
        return found

    def worker(self, pid: int) -> Worker | None:
        """The facts of a process of any watcher."""
        for entry in self.watchers.values():
            if pid in entry.workers:
                return entry.workers[pid]
        return None

    def drop(self, pid: int) -> None:
        """A process is not there any more, whatever was told of it."""
        for entry in self.watchers.values():
            entry.workers.pop(pid, None)
