"""The turns of tests that run in several processes (tests/harness): many at a time, or one alone."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.turns import Turns
from harness.waiting import PATIENCE, eventually


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[list[Turns]]:
    """The turns of three processes."""
    made = [Turns(tmp_path) for _ in range(3)]
    yield made
    for each in made:
        each.close()


class Runner(threading.Thread):
    """A test that waits for its turn, and has it until it is told to end."""

    def __init__(self, turns: Turns, *, alone: bool) -> None:
        super().__init__()
        self._turns, self._alone = turns, alone
        self.runs, self.end = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        with self._turns.taken(alone=self._alone):
            self.runs.set()
            self.end.wait(PATIENCE)

    def finish(self) -> None:
        self.end.set()
        self.join()


def test_many_run_together(processes: list[Turns]) -> None:
    runners = [Runner(turns, alone=False) for turns in processes]
    assert all(runner.runs.wait(PATIENCE) for runner in runners)
    for runner in runners:
        runner.finish()


def test_one_runs_alone_and_is_not_overtaken(processes: list[Turns]) -> None:
    first = Runner(processes[0], alone=False)
    assert first.runs.wait(PATIENCE)
    lonely = Runner(processes[1], alone=True)
    eventually(lambda: _is_waited_for(processes[2]))
    late = Runner(processes[2], alone=False)
    assert not lonely.runs.wait(0.05)
    assert not late.runs.is_set()
    first.finish()
    assert lonely.runs.wait(PATIENCE)
    assert not late.runs.wait(0.05)
    lonely.finish()
    assert late.runs.wait(PATIENCE)
    late.finish()


def _is_waited_for(turns: Turns) -> bool:
    """Whether somebody stands at the gate."""
    try:
        fcntl.flock(turns._gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(turns._gate, fcntl.LOCK_UN)
    return False
