"""What the end-to-end tests share: the events of one watcher as words, and barriers instead of pauses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from circus.model.events import problems
from harness import PATIENCE, Daemon, Event, EventRecorder, eventually


class EventChecker:
    """Holds what is heard to the table of events; stands in for :class:`harness.Event` where events are made."""

    def __init__(self) -> None:
        #: One line for each thing that is wrong.
        self.problems: list[str] = []

    def check(self, watcher: str, name: str, payload: dict[str, Any]) -> Event:
        """The event, which has been looked at. Live output, which comes on the same socket, is none."""
        if "lines" not in payload:
            self.problems += [f"{watcher}.{name}: {problem}" for problem in problems(name, payload)]
            if "seq" not in payload:
                self.problems.append(f"{watcher}.{name}: seq is missing")
        return Event(watcher, name, payload)


def up(daemon: Daemon, *watchers: str) -> None:
    """Wait until all of ``watchers`` are active; a failure shows the daemon's log."""
    for watcher in watchers:
        try:
            daemon.wait_status(watcher, "active")
        except AssertionError as error:
            raise AssertionError(f"{error}; log:\n{daemon.log}") from error


def barrier(daemon: Daemon, recorder: EventRecorder) -> None:
    """Return when everything that was published before this call has been heard."""
    recorder.forget_ignored()
    daemon.settle()
    assert recorder.wait_ignored(PATIENCE)


def told(daemon: Daemon, recorder: EventRecorder, watcher: str) -> list[str]:
    """The names of all events of ``watcher`` so far, in their order."""
    barrier(daemon, recorder)
    return [event.name for event in recorder.heard if event.watcher == watcher]


def of(events: Iterable[Event], watcher: str, name: str) -> list[Event]:
    """The events of that watcher and name."""
    return [event for event in events if (event.watcher, event.name) == (watcher, name)]


def assert_each_spawn_has_one_reap(events: Iterable[Event], still_alive: Iterable[int] = ()) -> None:
    """Every spawned process was reaped exactly once, after its spawn; none that was not spawned was.

    :param still_alive: pids of processes that have not ended.
    """
    spawned: Counter[int | None] = Counter()
    reaped: Counter[int | None] = Counter()
    for event in events:
        if event.name == "spawn":
            spawned[event.pid] += 1
        elif event.name == "reap":
            reaped[event.pid] += 1
            assert reaped[event.pid] <= spawned[event.pid], f"reaped before it was spawned: {event}"
    for pid in still_alive:
        assert spawned[pid] == reaped[pid] + 1, f"{pid}: {spawned[pid]} spawns, {reaped[pid]} reaps, but it lives"
        spawned[pid] -= 1
    assert spawned == reaped


def pid_in(file: Path) -> int:
    """The pid that a child of the tests announced in ``file``; waits for it."""
    eventually(file.exists)
    return int(file.read_text().split()[0])


def pids_in(file: Path) -> list[int]:
    """All pids that a child of the tests announced in ``file``; waits for it."""
    eventually(file.exists)
    return [int(word) for word in file.read_text().split()]


def lines_of(file: Path) -> list[str]:
    """The lines of a file that may not exist yet."""
    return file.read_text().splitlines() if file.exists() else []
