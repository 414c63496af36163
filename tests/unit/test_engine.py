"""Views of process trees: one look for many, as long as it is fresh, and for as long as somebody works with it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterable

import pytest

from circus import engine as engine_module
from circus.engine import TREES_FRESH, Engine, Trees
from circus.system.bootloop import BootLoop
from circus.system.proctable import ProcRef


class Table:
    """A process table that counts the looks at it; each worker has one child, whose start time is the look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[list[int]] = []
        self.broken = False
        self.now = 100.0
        monkeypatch.setattr(engine_module, "snapshot_trees", self.snapshot)
        monkeypatch.setattr(engine_module.time, "monotonic", lambda: self.now)

    def snapshot(self, pids: Iterable[int]) -> dict[int, tuple[ProcRef, ...]]:
        if self.broken:
            raise OSError(errno.EACCES, "no /proc")
        self.looks.append(list(pids))
        return {pid: (ProcRef(pid + 1000, len(self.looks)),) for pid in self.looks[-1]}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    return Table(monkeypatch)


def test_one_look_serves_many(table: Table) -> None:
    trees = Trees()
    view = trees.view([1, 2, 3])
    assert [trees.take(pid) for pid in (1, 2, 3)] == [view[pid] for pid in (1, 2, 3)]
    assert trees.view([2, 3]) is view
    assert table.looks == [[1, 2, 3]]


def test_who_works_with_a_view_is_not_hurried_by_the_clock(table: Table) -> None:
    trees = Trees()
    view = trees.view([1, 2])
    table.now += 10 * TREES_FRESH
    assert view[2] == (ProcRef(1002, 1),)
    trees.view([1])
    assert view[2] == (ProcRef(1002, 1),)


def test_a_stale_view_is_taken_anew(table: Table) -> None:
    trees = Trees()
    trees.prime([1, 2])
    table.now += 2 * TREES_FRESH
    assert trees.take(1) == (ProcRef(1001, 2),)
    assert trees.view([1, 2])[2] == (ProcRef(1002, 3),)
    assert table.looks == [[1, 2], [1], [1, 2]]


def test_whom_a_view_does_not_know_is_looked_up(table: Table) -> None:
    trees = Trees()
    trees.prime([1])
    assert trees.take(2) == (ProcRef(1002, 2),)
    assert trees.view([1, 2])[2] == (ProcRef(1002, 3),)


def test_a_look_is_always_new(table: Table) -> None:
    trees = Trees()
    trees.prime([1])
    assert trees.look(1) == (ProcRef(1001, 2),)


def test_when_the_table_cannot_be_read_nothing_is_known(table: Table) -> None:
    trees = Trees()
    trees.prime([1])
    table.now += 2 * TREES_FRESH
    table.broken = True
    assert trees.view([1]) == {}
    with pytest.raises(OSError, match="no /proc"):
        trees.take(1)


def test_sigchld_is_taken_for_orphans_and_given_back() -> None:
    before = signal.getsignal(signal.SIGCHLD)
    engine = Engine(BootLoop(), adopt_orphans=True)
    engine.collect_orphans()
    try:
        assert signal.getsignal(signal.SIGCHLD) not in (before, signal.SIG_DFL, signal.SIG_IGN)
    finally:
        engine.close()
    assert signal.getsignal(signal.SIGCHLD) == before


def test_many_ends_are_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = BootLoop()
    engine = Engine(loop, adopt_orphans=True)
    looks: list[float] = []
    monkeypatch.setattr(engine.reaper, "collect", lambda: looks.append(1))
    monkeypatch.setattr(loop, "call_later", lambda delay, callback, *args: loop.call_soon(callback, *args))
    engine.collect_orphans()
    loop.run_ready(1)
    looks.clear()
    try:
        for _ in range(50):
            os.kill(os.getpid(), signal.SIGCHLD)
        loop.run_ready(1)
        assert looks == [1]
        os.kill(os.getpid(), signal.SIGCHLD)
        loop.run_ready(1)
        assert looks == [1, 1]
    finally:
        engine.close()


def test_a_daemon_that_is_not_pid_1_leaves_sigchld_alone() -> None:
    before = signal.getsignal(signal.SIGCHLD)
    engine = Engine(BootLoop())
    engine.collect_orphans()
    assert signal.getsignal(signal.SIGCHLD) == before
    assert engine.reaper.adopt_orphans is None  # found out when there may be one
    engine.close()
