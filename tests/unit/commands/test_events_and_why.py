"""The commands that tell of the past, and who is told to have asked for something."""

from __future__ import annotations

from typing import Any

import pytest

from circus.commands import find_command
from circus.exc import ArgumentError, MessageError
from circus.journal import Journal
from circus.model.messages import Properties

AT = 1_795_288_000.0


# -- events -------------------------------------------------------------------------------------------


@pytest.fixture
def journal(arbiter: Any) -> Journal:
    """Of an arbiter where five processes of ``web`` and one of a watcher that is gone were started."""
    arbiter.journal = Journal()
    for pid in range(1, 6):
        arbiter.journal.record("web", "web", "spawn", {"process_pid": pid, "time": AT + pid, "cause": "daemon start"})
    arbiter.journal.record("Gone By", "gone_by", "stop", {"time": AT + 6, "cause": "rm command"})
    return arbiter.journal


def test_events_tell_where_the_history_begins_and_ends(run: Any, arbiter: Any, journal: Journal) -> None:
    reply = run(arbiter, "events")
    assert [event["seq"] for event in reply.pop("events")] == [1, 2, 3, 4, 5, 6]
    assert reply == {"more": False, "first": 1, "last": 6, "daemon": journal.run_id}


def test_events_are_chosen(run: Any, arbiter: Any, journal: Journal) -> None:
    def seqs(**props: Any) -> list[int]:
        return [event["seq"] for event in run(arbiter, "events", **props)["events"]]

    assert seqs(since=4) == seqs(since=AT + 5) == [5, 6]
    assert seqs(limit=2) == [5, 6]
    assert seqs(since=0, limit=2) == [1, 2]
    assert seqs(name="WEB", events=["stop"]) == []
    assert seqs(name="gone by") == seqs(name="gone_by") == [6], "its events outlive a watcher"
    assert seqs(limit=10**9) == [1, 2, 3, 4, 5, 6]
    assert seqs(name="Api") == []
    assert run(arbiter, "events", since=1, limit=2)["more"] is True


@pytest.mark.parametrize(
    ("props", "reason"),
    [
        ({"since": "yesterday"}, "'since' isn't a number"),
        ({"since": True}, "'since' isn't a number"),
        ({"since": float("inf")}, "'since' isn't a number"),
        ({"events": "reap"}, "'events' isn't a list of names"),
        ({"events": [1]}, "'events' isn't a list of names"),
        ({"limit": 0}, "'limit' is less than 1"),
        ({"limit": "7"}, "'limit' isn't an integer"),
        ({"name": "zz"}, "program zz not found"),
    ],
)
def test_events_refuse_nonsense(run: Any, arbiter: Any, journal: Journal, props: dict[str, Any], reason: str) -> None:
    with pytest.raises(MessageError, match=f"^{reason}$"):
        run(arbiter, "events", **props)
    if props.get("name"):
        with pytest.raises(ArgumentError):
            run(arbiter, "events", name=7)


def test_events_of_a_command_line_and_as_text(props: Any, shown: Any, arbiter: Any, run: Any, journal: Journal) -> None:
    assert props("events") == {}
    assert props("events", "web", since=7, limit=3) == {"name": "web", "since": 7, "limit": 3}
    lines = shown("events", **run(arbiter, "events")).splitlines()
    assert len(lines) == 6
    assert "web  spawn pid 5: daemon start" in lines[4]
    assert shown("events", events=[]) == "no events"
    assert shown("events", status="error", reason="q") == "error: q"


# -- why ----------------------------------------------------------------------------------------------


REPLY: dict[str, Any] = {
    "name": "web", "status": "active", "stage": "up", "wanted": "running", "numprocesses": 2, "time": AT,
    "cause": "start command (circusctl root@db1 pid 42)", "since": AT - 240, "reason": "1 of 2 processes running",
    "next": "next try in 0.6 s: worker 2, back-off 0.8 s", "next_try": AT + 0.6, "backoff": 0.8,
    "workers": [{"wid": 1, "pid": 34, "state": "running", "started": AT - 200, "age": 200.0, "why": "daemon start"},
                {"wid": 2, "pid": None, "state": "asking", "started": None, "age": None, "why": ""}],
    "exits": [{"wid": 2, "pid": 40, "time": AT - 9, "exit": "killed by SIGTERM", "exit_code": -15, "uptime": 9.0,
               "expected": True, "cause": "decr command", "lines": []},
              {"wid": 2, "pid": 41, "time": AT - 1, "exit": "exited with 1", "exit_code": 1, "uptime": 0.2,
               "expected": False, "cause": "exited with 1", "lines": ["no such table: users", "bell\x07"]},
              {"wid": 2, "pid": 42, "time": AT - 1, "exit": "killed by SIGKILL", "exit_code": -9, "uptime": 0.2,
               "expected": False, "cause": "killed by SIGKILL", "hint": "not by Circus", "lines": []}],
    "story": [{"time": AT - 240, "text": "start asked for: start command"}]
    + [{"time": AT - 30 + n, "text": f"web.2 (pid {n}) exited with 1 after 0.{n} s"} for n in range(20)],
}  # fmt: skip


def test_why_reads_like_an_explanation(shown: Any) -> None:
    text = shown("why", **REPLY)
    lines = text.splitlines()
    assert lines[0].startswith("web is active since ")
    assert lines[0].endswith("(4 min)")
    assert lines[1:4] == [
        "  cause  start command (circusctl root@db1 pid 42)",
        "  now    1 of 2 processes running",
        "  next   next try in 0.6 s: worker 2, back-off 0.8 s",
    ]
    assert "  1  pid 34  running for 3 min: daemon start" in text.replace("200 s", "3 min")
    assert "  2  no pid yet  asking" in lines
    assert "worker 2 (pid 41) exited with 1 after 0.2 s, by itself" in text
    assert "      | no such table: users" in lines
    assert "\x07" not in text
    assert "worker 2 (pid 42) killed by SIGKILL after 0.2 s, by itself (not by Circus)" in text
    assert "pid 40" not in text, "what was asked for does not hide what was not"
    assert "... 18 more like that ..." in text
    assert text.count("exited with 1 after") == 3


def test_why_of_a_watcher_that_should_run(shown: Any) -> None:
    nothing: dict[str, Any] = {"exits": [], "workers": [], "story": []}
    stopped = {**REPLY, **nothing, "status": "stopped", "stage": "idle", "since": AT - 86_400}
    text = shown("why", **stopped)
    assert "(24 h), though it was to be running" in text
    assert "Workers" not in text
    never = shown("why", **{**stopped, "wanted": "stopped", "since": None})
    assert never.splitlines()[0] == "web is stopped"


def test_why_tells_of_output_that_was_dropped(shown: Any) -> None:
    streams = {
        "stdout": {"dropped": 4003, "to": "FileStream /tmp/bell\x07.log", "stuck": None},
        "stderr": {"dropped": 7, "to": "QueueStream", "stuck": 35.2},
    }
    lines = shown("why", **REPLY, streams=streams).splitlines()
    assert lines[4:9] == [
        "",
        "Output",
        "  stdout  FileStream /tmp/bell .log: 3.91K dropped since it was opened",
        "  stderr  QueueStream: 7B dropped since it was opened, has taken nothing for 35 s",
        "",
    ]
    stuck = {"stdout": {"dropped": 0, "to": "the standard output of circusd", "stuck": 0.25}}
    assert "  stdout  the standard output of circusd: has taken nothing for 0.25 s" in shown(
        "why", **REPLY, streams=stuck
    )
    assert "Output" not in shown("why", **REPLY)


def test_why_asks_for_one_watcher(run: Any, arbiter: Any, props: Any, shown: Any) -> None:
    assert props("why", "web") == {"name": "web"}
    for words in ([], ["a", "b"]):
        with pytest.raises(ArgumentError):
            props("why", *words)
    for wrong in ("x", -1, True, 1.5):
        with pytest.raises(MessageError, match="'lines' isn't a number of lines"):
            run(arbiter, "why", name="web", lines=wrong)
    with pytest.raises(MessageError, match="program zz not found"):
        run(arbiter, "why", name="zz")
    with pytest.raises(MessageError, match="nothing is remembered of web"):
        run(arbiter, "why", name="web")  # a watcher that is only a fake
    assert shown("why", status="error", reason="program zz not found") == "error: program zz not found"


# -- who asked ----------------------------------------------------------------------------------------

NAMED: list[tuple[str, dict[str, Any]]] = [
    ("start", {}), ("stop", {}), ("restart", {}), ("reload", {}), ("incr", {}), ("decr", {}), ("kill", {}),
    ("signal", {"signum": 1}), ("set", {"options": {"numprocesses": 2}}), ("rm", {}),
]  # fmt: skip


class Witness:
    """Anything whose methods take a cause and remember it."""

    def __init__(self, **facts: Any) -> None:
        self.causes: list[str] = []
        self.__dict__.update({"name": "web", "res_name": "web", "singleton": False, "numprocesses": 1, **facts})

    def _note(self, cause: str) -> None:
        self.causes.append(cause)

    def active_pids(self) -> list[int]:
        return [11]

    def find(self, name: str) -> Any:
        return self.watchers[0]  # type: ignore[attr-defined]


def _verb(self: Witness, *args: Any, cause: str = "nobody", **kw: Any) -> Any:
    self.causes.append(cause)
    return self if kw.pop("chained", False) else None


for _name in (
    "start", "stop", "restart", "reload", "incr", "decr", "kill_workers", "send_signal", "set_options", "rm_watcher",
    "start_watchers", "stop_watchers", "reload_from_config", "add_watcher",
):  # fmt: skip
    setattr(Witness, _name, _verb)


def told(name: str, properties: dict[str, Any], caller: str = "circusctl root@db1 pid 42") -> list[str]:
    """The causes that reach arbiter and watcher."""
    watcher = Witness()
    arbiter = Witness(watchers=[watcher])
    props: dict[str, Any] = Properties(properties, caller) if caller else dict(properties)
    command = find_command(name)
    command.validate(props)
    command.execute(arbiter, props)
    return watcher.causes + arbiter.causes


@pytest.mark.parametrize(("name", "properties"), NAMED, ids=[name for name, _ in NAMED])
def test_the_caller_is_in_the_cause(name: str, properties: dict[str, Any]) -> None:
    assert told(name, {"name": "web", **properties}) == [f"{name} command (circusctl root@db1 pid 42)"]
    assert told(name, {"name": "web", **properties}, caller="") == [f"{name} command"]


@pytest.mark.parametrize("name", ["start", "stop", "restart", "reload", "reloadconfig", "quit"])
def test_the_caller_is_in_the_cause_of_what_concerns_all(name: str) -> None:
    assert told(name, {}) == [f"{name} command (circusctl root@db1 pid 42)"]


def test_who_added_a_watcher() -> None:
    assert told("add", {"name": "new", "cmd": "sleep 1"}, "me") == ["add command (me)"]


def test_watchers_that_take_no_cause_are_commanded_as_before(run: Any, arbiter: Any) -> None:
    [web, *_] = arbiter.watchers
    command = find_command("stop")
    command.execute(arbiter, Properties({"name": "web"}, "me"))
    command.execute(arbiter, Properties({}, "me"))
    assert web.calls == [("stop",)]
    assert arbiter.calls == [("stop_watchers", None)]
