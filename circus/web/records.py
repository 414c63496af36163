"""What is measured of watchers second by second, in the shape of their charts.

The model keeps what circus-top draws; the charts of the console want reading and writing apart, restarts, and the
accept queue, too. All share one axis of time. Pure; the hub records with each tick.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from circus.model.dashboard import History, Node

#: Name in the series -> key among the values of a row.
MEASURES = {
    "cpu": "cpu", "rss": "rss", "read_rate": "read", "write_rate": "write", "count": "procs", "restarts": "restarts",
    "queue": "queue",
}  # fmt: skip
#: What the model has of the time before.
_BEFORE = {"cpu": "cpu", "rss": "rss", "count": "count"}
#: With more watchers, only those somebody looks at are recorded.
MOST = 300

Series = dict[str, list[Any]]


class Records:
    """Histories by key of the watcher."""

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}

    def take(self, nodes: Iterable[Node], now: float, queues: Mapping[str, float]) -> None:
        """Record all these watchers.

        :param queues: connections that wait for a watcher, by its key.
        """
        nodes = list(nodes)
        present = {node.key for node in nodes}
        for gone in self._histories.keys() - present:
            del self._histories[gone]
        for node in nodes:
            history = self._histories.get(node.key)
            if history is None:
                if len(nodes) > MOST:
                    continue
                history = self._histories[node.key] = History()
            values = {name: node.values.get(key) for name, key in MEASURES.items()}
            values["queue"] = queues.get(node.key)
            history.append(now, values)

    def want(self, node: Node) -> None:
        """Record this one, however many there are."""
        self._histories.setdefault(node.key, History())

    def last(self, key: str) -> float:
        """The instant of the last record of a watcher; 0 if there is none."""
        history = self._histories.get(key)
        return history.times[-1] if history is not None and len(history) else 0.0

    def series(self, node: Node, since: float = 0.0, until: float = math.inf) -> Series:
        """The records of a watcher after an instant, up to another; before them, what the model has."""
        history = self._histories.get(node.key, History())
        begin = history.times[0] if len(history) else math.inf
        before = _columns(node.history, _BEFORE, since, min(until, begin - 0.5)) if since < begin else None
        own = _columns(history, {name: name for name in MEASURES}, since, until)
        return own if before is None else {name: before[name] + own[name] for name in own}


def past_series(history: History, measures: Iterable[str] = (*_BEFORE, "restarts"), since: float = 0.0) -> Series:
    """The samples that the model keeps."""
    told = _columns(history, {measure: measure for measure in measures}, since, math.inf)
    return {name: told[name] for name in ("time", *measures)}


def _columns(history: History, measures: Mapping[str, str], since: float, until: float) -> Series:
    start, end = bisect_right(history.times, since), bisect_right(history.times, until)
    times = history.times[start:end]
    told: Series = {"time": [round(at, 2) for at in times]}
    for name in {**MEASURES, **measures}:
        if name in measures:
            key = measures[name]
            values = (history.window(key, at, math.nextafter(at, math.inf), 1)[0] for at in times)
            told[name] = [None if value is None else round(value, 1) for value in values]
        else:
            told[name] = [None] * len(times)
    return told
