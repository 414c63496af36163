"""What is told of a watcher without a daemon around it, and of many ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from circus.arbiter import Arbiter
from circus.base.tasks import current_loop
from circus.story import explain, story
from circus.watcher import Watcher

AT = 1_795_288_000.0


def reap(pid: int, at: float, cause: str, *, expected: bool = True, code: int = -15) -> dict[str, Any]:
    return {
        "process_pid": pid, "time": AT + at, "exit_code": code, "expected": expected, "wid": 1, "uptime": 2.0,
        "cause": cause,
    }  # fmt: skip


@pytest.fixture
def web() -> Iterator[Watcher]:
    watcher = Watcher("web", "sleep 1")
    Arbiter([watcher], None, None)
    yield watcher
    current_loop().close()  # one that is used alone makes one, and sets it
    asyncio.set_event_loop(None)


def test_a_watcher_used_alone(web: Watcher) -> None:
    told = explain(web)
    assert (told["status"], told["cause"], told["since"]) == ("stopped", "nobody has started it", None)


class Trouble:
    """A redirector that has lost some output."""

    def troubles(self) -> dict[str, Any]:
        return {"stdout": {"dropped": 6, "to": "FileStream /dev/full", "stuck": None}}


def test_output_that_was_dropped(web: Watcher) -> None:
    web.stream_redirector = Trouble()
    assert explain(web)["streams"] == Trouble().troubles()


@pytest.mark.parametrize("redirector", [None, object(), SimpleNamespace(troubles=dict)])
def test_output_that_is_all_there_is_not_mentioned(web: Watcher, redirector: Any) -> None:
    web.stream_redirector = redirector
    assert "streams" not in explain(web)


def test_processes_that_a_program_manages(web: Watcher) -> None:
    web._status = "active"
    told = explain(web)
    assert (told["status"], told["reason"]) == ("active", "0 processes, managed by a program")


def test_many_ends_of_one_cause_are_one_line(web: Watcher) -> None:
    web.supervision.endings.extend(reap(pid, pid / 100, "stop command") for pid in range(5))
    assert [text for _, text in story(web.supervision)] == ["5 workers ended, or more: stop command"]


def test_ends_far_apart_are_told_one_by_one(web: Watcher) -> None:
    web.supervision.endings.extend(reap(pid, pid * 60, "max_age") for pid in range(5))
    lines = [text for _, text in story(web.supervision)]
    assert lines == [f"worker 1 (pid {pid}) ended (killed by SIGTERM): max_age" for pid in range(5)]


def test_who_sent_the_signal_is_found(web: Watcher) -> None:
    web.supervision.note_signal(7, 15, "signal command (me)")
    web.supervision.deaths.append(reap(7, 1e6, "killed by SIGTERM", expected=False))
    web.supervision.deaths.append(reap(8, 1e6, "killed by SIGSEGV", expected=False, code=-11))
    told = explain(web)["exits"]
    assert [end["cause"] for end in told] == ["signal command (me)", "killed by SIGSEGV"]
    assert [end.get("hint") for end in told] == [None, "it crashed"]


def test_what_the_shell_did_not_find(web: Watcher) -> None:
    web.shell = True
    web.supervision.deaths.append(reap(7, 0, "exited with 127", expected=False, code=127))
    assert explain(web)["exits"][0]["hint"] == "the shell found no such command"
