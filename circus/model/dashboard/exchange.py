"""How far the workers of watchers are replaced, while a reload or restart is under way.

Told from the tree alone: who was there when it began, who of them is left, and who came. Which new worker is for which
old one is nothing that daemons tell (or know); they are paired in the order in which they come.
"""

from __future__ import annotations

from typing import NamedTuple

from circus.model.dashboard.node import WATCHER, WORKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from circus.model.dashboard.board import Dashboard
    from circus.model.dashboard.node import Node, Path

#: What there is to one exchange: a successor, which runs, and the old one's end, which begins and is over.
STEPS = 4


class Change(NamedTuple):
    """One worker that is to be replaced.

    :param name: of the worker; ``pid`` its process.
    :param state: of that process; ``gone`` when it has ended.
    :param successor: the process in its place, None so far; ``successor_state`` its state.
    """

    name: str
    pid: int
    state: str
    successor: int | None
    successor_state: str

    @property
    def steps(self) -> int:
        """How many of the steps are done."""
        new = 0 if self.successor is None else 2 if self.successor_state == "running" else 1
        return new + {"running": 0, "starting": 0, "gone": 2}.get(self.state, 1)

    @property
    def is_done(self) -> bool:
        """Whether the new one runs and the old one is gone."""
        return self.steps == STEPS


class Exchange:
    """The workers that are there now, and what becomes of them.

    :param nodes: watchers, or endpoints for all of theirs.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._before: dict[Path, list[tuple[Any, str]]] = {}
        for node in nodes:
            for watcher in [node] if node.kind == WATCHER else node.children.values():
                if watcher.kind == WATCHER:
                    self._before[watcher.path] = [(worker.key, worker.name) for worker in _workers(watcher)]

    def __len__(self) -> int:
        return sum(map(len, self._before.values()))

    def look(self, board: Dashboard) -> list[Change]:
        """Each of them as it is now."""
        found = []
        for path, before in self._before.items():
            watcher = board.find(path)
            now = {worker.key: str(worker.values.get("state")) for worker in _workers(watcher)} if watcher else {}
            old = {pid for pid, _ in before}
            came = iter([(pid, state) for pid, state in now.items() if pid not in old])
            # Those that are farthest on their way out have a successor before others have.
            ranks = {"gone": 0, "stopping": 1}
            ordered = sorted(before, key=lambda each: ranks.get(now.get(each[0], "gone"), 2))
            pairs = {pid: next(came, (None, "")) for pid, _ in ordered}
            found += [Change(name, pid, now.get(pid, "gone"), *pairs[pid]) for pid, name in before]
        return found


def _workers(watcher: Node) -> list[Node]:
    return [node for node in watcher.children.values() if node.kind == WORKER]
