"""The last minute of each watcher, kept while somebody looks at the overview: it grows by one value a second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from circus.model.dashboard import Node
from circus.web.pictures import SPARK_SECONDS, spark, spark_point

Spark = dict[str, list[Any]]


class Sparks:
    """Sparklines by daemon and name of the watcher."""

    def __init__(self) -> None:
        self._sparks: dict[str, dict[str, Spark]] = {}

    def of(self, daemon: str) -> Mapping[str, Spark]:
        """Those of a daemon."""
        return self._sparks.get(daemon, {})

    def grow(self, daemon: str, nodes: Iterable[Node], now: float) -> None:
        """A second has passed."""
        before, after = self._sparks.get(daemon, {}), {}
        for node in nodes:
            known = before.get(node.name)
            if known is None:
                after[node.name] = spark(node, now)
            else:
                for measure, values in spark_point(node).items():
                    known[measure] += values
                    del known[measure][:-SPARK_SECONDS]
                after[node.name] = known
        self._sparks[daemon] = after

    def clear(self) -> None:
        """Nobody looks."""
        self._sparks.clear()
