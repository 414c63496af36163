"""Ends processes of a watcher that use too much, or too little, for too long; the watcher replaces them.

It asks the daemon for the statistics of one watcher at every look, and judges each process by itself: what one
process uses is no reason to end its siblings.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from circus.base.logs import logger
from circus.base.record import Record
from circus.plugins.statsd import BaseObserver, memory_of
from circus.plugins.tables import RESOURCE_WATCHER

_DEPRECATED = "ResourceWatcher.service is deprecated: write watcher instead"


class Usage(Record):
    """What one process uses: percent of one CPU, percent of the machine's memory, bytes of memory."""

    cpu: float
    mem: float
    bytes: float


class ResourceWatcher(BaseObserver):
    """Watches what the processes of one watcher use. Options: :data:`~circus.plugins.tables.RESOURCE_WATCHER`.

    :raises NotImplementedError: no watcher is named.

    Source: spec plugins-hooks-streams.md 1.6; that the process is ended and not the watcher restarted:
    user-asks.md 64.
    """

    option_table = RESOURCE_WATCHER

    def __init__(self, *args: Any, **config: Any) -> None:
        if config.get("service") is not None:
            warnings.warn(_DEPRECATED, DeprecationWarning, stacklevel=2)
            config.setdefault("watcher", config["service"])
        if not str(config.get("watcher") or "").strip():
            raise NotImplementedError("watcher is mandatory for now.")
        super().__init__(*args, **config)
        values = self.option_values
        self.watcher: str = values["watcher"]
        self.max_cpu: float = values["max_cpu"]
        #: Amounts of memory, with whether they are bytes (True) or percent.
        self.max_mem: tuple[float, bool] = values["max_mem"]
        self.min_mem: tuple[float, bool] | None = values["min_mem"]
        self.min_cpu: float | None = values["min_cpu"]
        self.health_threshold: float = values["health_threshold"]
        self.max_count: int = values["max_count"]
        self.process_children: bool = values["process_children"]
        self.child_signal: int = values["child_signal"]
        #: Pid to how many looks in a row each condition held for it.
        self._counts: dict[str, Counter[str]] = {}

    def look_after(self) -> None:
        """Ask what the processes use, and end those that were over or under too often."""
        reply = self.call("stats", name=self.watcher)
        if reply["status"] == "error":
            self._count("error")
            return
        infos = {pid: info for pid, info in reply["info"].items() if isinstance(info, dict)}
        children = {pid: children_of(info) for pid, info in infos.items()} if self.process_children else {}
        live = {*infos, *(child for found in children.values() for child in found)}
        self._counts = {pid: counts for pid, counts in self._counts.items() if pid in live}
        for pid, info in infos.items():
            if self._is_too_much(pid, usage_of(info)):
                # The watcher's own way of ending a process, and so with its grace; it is replaced at once.
                self.cast("kill", name=self.watcher, pid=int(pid))
            for child, child_info in children.get(pid, {}).items():
                if self._is_too_much(child, usage_of(child_info)):
                    signum = self.child_signal
                    self.cast("signal", name=self.watcher, pid=int(pid), childpid=int(child), signum=signum)

    def _is_too_much(self, pid: str, usage: Usage) -> bool:
        """Count what holds of a process now; whether it has held too often."""
        counts = self._counts.setdefault(pid, Counter())
        for condition, holds in self._conditions(usage):
            if holds:
                self._count(condition)
                counts[condition] += 1
            else:
                counts[condition] = 0
        condition, times = max(counts.items(), key=lambda each: each[1])
        if times <= self.max_count:
            return False
        logger.info("%s: process %s is ended: %s in %d looks in a row (%s)", self.watcher, pid,
                    condition.replace("_", " "), times, describe(usage))
        self._count("restarting")
        del self._counts[pid]
        return True

    def _conditions(self, usage: Usage) -> Iterable[tuple[str, bool]]:
        yield "over_cpu", bool(self.max_cpu) and usage.cpu > self.max_cpu
        yield "under_cpu", self.min_cpu is not None and usage.cpu <= self.min_cpu
        limit, absolute = self.max_mem
        yield "over_memory", bool(limit) and (usage.bytes if absolute else usage.mem) > limit
        limit, absolute = self.min_mem or (0, False)
        yield "under_memory", (usage.bytes if absolute else usage.mem) < limit
        yield "over_health", bool(self.health_threshold) and (usage.cpu + usage.mem) / 2 > self.health_threshold

    def _count(self, what: str) -> None:
        self.statsd.increment(f"_resource_watcher.{self.watcher}.{what}")


def usage_of(info: Mapping[str, Any]) -> Usage:
    """What a process uses, from its part of a ``stats`` reply; what the system does not tell counts as everything,
    bytes as nothing.
    """
    return Usage(_percent(info.get("cpu")), _percent(info.get("mem")), memory_of(info) or 0)


def children_of(info: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Pid to statistics of the direct children of a process."""
    children = info.get("children") or ()
    return {str(each["pid"]): each for each in children if isinstance(each, dict) and "pid" in each}


def describe(usage: Usage) -> str:
    """The figures, for the log."""
    return f"{usage.cpu:g} % CPU, {usage.mem:g} % memory, {usage.bytes / 2**20:.1f} MiB"


def _percent(value: Any) -> float:
    return value if isinstance(value, (int, float)) else 100.0
