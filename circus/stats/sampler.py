"""One batched look at all processes of a daemon, and the messages that come of it.

Called once per period by :class:`circus.stats.service.StatsService`. It brings together what ``/proc`` says
(:mod:`circus.system.procinfo`) and what the daemon says (:mod:`circus.stats.roster`), and knows no socket.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from circus.model.samples import DAEMONS, UNKNOWN, StatSample, aggregate, rates, totals
from circus.stats.roster import Roster, WatcherEntry, Worker
from circus.system.procinfo import DETAIL_EVERY, Sampler

_NAN = float("nan")


class Group:
    """What was measured of one watcher, or of the daemon and its own programs."""

    __slots__ = ("infos", "io", "name", "whole")

    def __init__(
        self, name: str, infos: dict[int, dict[str, Any]], whole: dict[str, Any], io: dict[int, float]
    ) -> None:
        #: As in topics.
        self.name = name
        #: The message of each process, by pid.
        self.infos = infos
        #: The message of all together.
        self.whole = whole
        #: Bytes read and written per second, by pid; NaN when unknown.
        self.io = io


class BatchSampler:
    """Measures everybody on a roster.

    :param roster: who there is. Whoever is found gone is dropped from it.
    """

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self._sampler = Sampler()
        self._traffic: dict[int, tuple[StatSample, float]] = {}

    def __len__(self) -> int:
        """How many processes something is remembered of, children included."""
        return len(self._sampler)

    def close(self) -> None:
        """Give all descriptors back."""
        self._sampler.close()

    def forget(self, pid: int) -> None:
        """A process has ended."""
        self._sampler.forget(pid)
        self._traffic.pop(pid, None)

    def measure(self, now: float) -> list[Group]:
        """One look at everybody. ``now`` in seconds since the epoch goes into the messages."""
        entries = list(self.roster.groups())
        facts = self._sampler.figures([pid for entry in entries for pid in entry.workers])
        groups = [self._watcher(entry, facts, now) for entry in entries]
        groups.append(self._daemons(now))
        for pid in self._traffic.keys() - {pid for group in groups for pid in group.infos}:
            del self._traffic[pid]
        return groups

    def _watcher(self, entry: WatcherEntry, facts: dict[int, dict[str, Any]], now: float) -> Group:
        infos, io = {}, {}
        for pid, worker in list(entry.workers.items()):
            info = facts.get(pid)
            if info is None:  # gone, or ended and not collected yet
                del entry.workers[pid]
                self.forget(pid)
                continue
            info["subtopic"], info["name"] = pid, None
            _tell_of(info, worker, entry, now)
            infos[pid] = info
            io[pid] = self._io(pid, info, now)
        whole = _whole(infos, now)
        whole["restarts"], whole["status"] = entry.restarts, entry.status
        whole["numprocesses"], whole["dropped"], whole["watcher"] = entry.numprocesses, entry.dropped, entry.name
        return Group(entry.res_name, infos, whole, io)

    def _daemons(self, now: float) -> Group:
        roles = self.roster.roles()
        roles[os.getpid()] = "circusd-stats"
        # The children of circusd are told of as workers.
        facts = self._sampler.figures(roles, children=False)
        infos, io = {}, {}
        for pid, role in roles.items():
            info = facts.get(pid)
            if info is None:
                self.roster.drop(pid)
                self.forget(pid)
                continue
            info["subtopic"], info["name"] = pid, role
            entry = self.roster.watchers.get(role)
            worker = entry.workers.get(pid) if entry is not None else None
            _tell_of(info, worker, entry, now)
            info["watcher"] = role
            infos[pid] = info
            io[pid] = self._io(pid, info, now)
        whole = _whole(infos, now)
        whole["restarts"], whole["status"] = sum(info["restarts"] for info in infos.values()), "active"
        whole["numprocesses"] = len(infos)
        return Group(DAEMONS, infos, whole, io)

    def _io(self, pid: int, info: dict[str, Any], now: float) -> float:
        """Bytes per second; reckoned anew as often as the numbers behind it change."""
        known = self._traffic.get(pid)
        if known is not None and 0 <= now - known[0].time < DETAIL_EVERY:
            return known[1]
        sample = StatSample(now, info["cpu_time"] or 0.0, info["read_bytes"], info["write_bytes"])
        rate = _NAN
        if known is not None:
            found = rates(known[0], sample)
            if found.read_bytes is not None and found.write_bytes is not None:
                rate = found.read_bytes + found.write_bytes
        self._traffic[pid] = sample, rate
        return rate


def _tell_of(info: dict[str, Any], worker: Worker | None, entry: WatcherEntry | None, now: float) -> None:
    """Put what the daemon knows of a process beside what was measured."""
    info["age"] = round(info["age"], 2)
    if worker is None:
        info["wid"], info["state"], info["restarts"], info["uptime"] = None, "running", 0, info["age"]
    else:
        info["wid"], info["state"], info["restarts"] = worker.wid, worker.state, worker.restarts
        started = worker.started
        info["uptime"] = round(now - started, 2) if 0 < started <= now else info["age"]
    if entry is None:
        info["watcher"], info["dropped"] = None, 0
    else:
        info["watcher"] = entry.name
        # The daemon counts per watcher: only where there is no doubt is it this one's.
        info["dropped"] = entry.dropped if not entry.dropped or len(entry.workers) == 1 else None
    info["time"] = now


def _whole(infos: dict[int, dict[str, Any]], now: float) -> dict[str, Any]:
    whole = aggregate(infos)
    whole.update(totals(infos.values()))
    whole["time"] = now
    return whole


def columns_of(group: Group) -> Iterator[tuple[str, tuple[float, ...]]]:
    """What is remembered of a group at this tick: of each process under ``name.pid``, then of all under ``name``."""
    prefix = group.name + "."
    total = 0.0
    for pid, info in group.infos.items():
        io = group.io[pid]
        total += io if io == io else 0.0
        yield f"{prefix}{pid}", (_number(info["cpu"]), _number(info["rss"]), io)
    whole = group.whole
    yield group.name, (
        _number(whole["cpu"]), whole["cpu_sum"], _number(whole["mem"]), whole["rss"], total, whole["count"],
        whole.get("restarts", 0),
    )


def _number(value: Any) -> float:
    return _NAN if value is None or value == UNKNOWN else float(value)
