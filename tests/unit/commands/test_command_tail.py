"""The command ``tail``: its two halves, over watchers that are not real."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from circus.commands import find_command
from circus.exc import ArgumentError, MessageError
from circus.stream.tail import Tail


class Watcher:
    """A watcher whose output is captured, or not."""

    def __init__(self, name: str, *captured: str, pid: int = 7) -> None:
        self.name, self.res_name = name, name.lower().replace(" ", "_")
        process = SimpleNamespace(pid=pid, wid=1, pipe_stdout="stdout" in captured, pipe_stderr="stderr" in captured)
        self.processes = {pid: process}
        self._captured = captured
        self.close_child_stderr = False
        self.output_tail: Tail | None = None
        if captured:
            self.output_tail = Tail(self, None)
            self.output_tail.begin(process)

    def sink(self, stream: str) -> object:
        return print if stream in self._captured else None


class Arbiter:
    def __init__(self, *watchers: Watcher) -> None:
        self.watchers = list(watchers)

    def get_watcher(self, name: str) -> Watcher:
        return {watcher.name.lower(): watcher for watcher in self.watchers}[name.lower()]


def ask(arbiter: Arbiter, **props: Any) -> dict[str, Any]:
    command = find_command("tail")
    command.validate(props)
    reply: dict[str, Any] = command.execute(arbiter, props)
    return reply


@pytest.fixture
def arbiter() -> Arbiter:
    web, job, mute = Watcher("Web", "stdout", "stderr"), Watcher("job", "stdout", pid=8), Watcher("mute", pid=9)
    assert web.output_tail is not None
    assert job.output_tail is not None
    web.output_tail.tap(b"one\n", 7, "stdout")
    job.output_tail.tap(b"two\n", 8, "stdout")
    web.output_tail.tap(b"three \xff\n", 7, "stderr")
    return Arbiter(web, job, mute)


def test_the_reply_has_lines_ends_and_who_is_captured(arbiter: Arbiter) -> None:
    reply = ask(arbiter)
    assert [line["text"] for line in reply["lines"]] == ["one", "two", "three \ufffd"]
    line = reply["lines"][1]
    assert line.pop("time") > 0
    assert line == {"watcher": "job", "wid": 1, "pid": 8, "stream": "stdout", "offset": 0, "text": "two"}
    assert reply["ends"] == {"7.stdout": 4, "7.stderr": 8, "8.stdout": 4}
    assert reply["dropped"] == {"7.stdout": 0, "7.stderr": 0, "8.stdout": 0}
    assert reply["captured"] == {"Web": True, "job": True, "mute": False}


@pytest.mark.parametrize(
    ("props", "texts"),
    [
        ({"lines": 1}, ["three \ufffd"]),
        ({"lines": 0}, []),
        ({"name": "web"}, ["one", "three \ufffd"]),
        ({"name": "w*"}, ["one", "three \ufffd"]),
        ({"name": ["job", "WEB", "web"]}, ["one", "two", "three \ufffd"]),
        ({"name": "^J", "match": "regex"}, ["two"]),
        ({"pid": "8"}, ["two"]),
        ({"stream": "stderr"}, ["three \ufffd"]),
        ({"since": 4e9}, []),
        ({"since": None, "pid": None, "stream": None, "name": None}, ["one", "two", "three \ufffd"]),
    ],
)
def test_only_what_is_asked_for_is_told(arbiter: Arbiter, props: dict[str, Any], texts: list[str]) -> None:
    assert [line["text"] for line in ask(arbiter, **props)["lines"]] == texts


def test_who_asks_for_what_is_not_read_is_told_the_remedy(arbiter: Arbiter) -> None:
    with pytest.raises(MessageError, match=r"mute is not captured: .*stdout_stream\.class = \.\.\..*capture = true"):
        ask(arbiter, name="mute")
    with pytest.raises(MessageError, match=r"stderr_stream\.class"):
        ask(arbiter, name="job", stream="stderr")
    arbiter.watchers[2].close_child_stderr = True
    with pytest.raises(MessageError, match=r"capture = true .* and close_child_stderr = false$"):
        ask(arbiter, name="mute")
    with pytest.raises(MessageError, match=r"capture = true there or in \[circus\]$"):
        ask(arbiter, name="mute", stream="stdout")
    assert ask(arbiter, name=["mute"])["captured"] == {"mute": False}
    with pytest.raises(MessageError, match="there is no process 12"):
        ask(arbiter, pid=12)
    assert ask(arbiter, pid=9)["lines"] == [], "it runs, and its output is not read"


def test_the_message_of_a_command_line() -> None:
    tail = find_command("tail")
    assert tail.message() == {"command": "tail", "properties": {}}
    assert tail.message("web", lines="5", pid=None) == {"command": "tail", "properties": {"name": "web", "lines": 5}}
    assert tail.message("web", "job", pid="12", since="5", stream="stderr")["properties"] == {
        "name": ["web", "job"],
        "pid": 12,
        "since": 5.0,
        "stream": "stderr",
    }
    with pytest.raises(ArgumentError, match="lines isn't an integer"):
        tail.message(lines="many")


def test_plain_text_names_the_worker_when_there_are_several(arbiter: Arbiter) -> None:
    tail = find_command("tail")
    assert tail.console_msg({"status": "ok", **ask(arbiter, name="job")}) == "two"
    assert tail.console_msg({"status": "ok", **ask(arbiter, lines=2)}) == "job.1 two\nWeb.1 three \ufffd"
    assert tail.console_msg({"status": "error", "reason": "no"}) == "error: no"
