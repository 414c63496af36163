"""What an action means: requests, words, and how much asking it takes."""

from __future__ import annotations

import pytest

from circus.exc import ArgumentError
from circus.model.dashboard.node import CHILD, Node
from circus.top.actions import (
    ACTIONS,
    ASK,
    FREE,
    TYPE,
    Request,
    aftermath,
    applicable,
    is_told,
    outcome,
    plan,
    plan_command,
)
from tests.unit.top.stories import NOW, board, sample, total

AT_ONCE = {"signum": 9, "graceful_timeout": 0, "waiting": True}


@pytest.fixture
def made():
    found = board(
        ("stat", sample(11, "Web App", wid=1)),
        ("stat", sample(12, "Web App", wid=2)),
        ("stat", total("Web App", numprocesses=2)),
        ("stat", sample(1, "circus", name="circusd")),
    )
    Node(CHILD, 99, "helper", found.find(("e", "web_app", 11)))
    return found


def node(made, *path):
    return made.find(("e", *path))


@pytest.mark.parametrize(
    ("name", "path", "message", "risk"),
    [
        ("start", ["web_app"], {"name": "Web App", "match": "simple", "waiting": True}, FREE),
        ("stop", ["web_app"], {"name": "Web App", "match": "simple", "waiting": True}, ASK),
        ("restart", ["web_app"], {"name": "Web App", "match": "simple", "waiting": True}, ASK),
        ("restart", ["web_app", 11], {"name": "Web App", "pid": 11, "waiting": True}, ASK),
        ("reload", ["web_app"], {"name": "Web App", "graceful": True, "waiting": True}, ASK),
        ("incr", ["web_app"], {"name": "Web App", "nb": 1, "waiting": True}, FREE),
        ("decr", ["web_app"], {"name": "Web App", "nb": 1, "waiting": True}, ASK),
        ("kill", ["web_app", 11], {"name": "Web App", "pid": 11, **AT_ONCE}, ASK),
        ("kill", ["web_app"], {"name": "Web App", **AT_ONCE}, TYPE),
        ("signal", ["web_app"], {"name": "Web App", "signum": "HUP"}, ASK),
        ("signal", ["web_app", 11], {"name": "Web App", "pid": 11, "signum": "HUP"}, ASK),
        ("signal", ["web_app", 11, 99], {"name": "Web App", "pid": 11, "childpid": 99, "signum": "HUP"}, ASK),
        ("stop", [], {"waiting": True}, TYPE),
        ("restart", [], {"waiting": True}, TYPE),
        ("start", [], {"waiting": True}, ASK),
    ],
)  # fmt: skip
def test_requests(made, name, path, message, risk):
    planned = plan(name, [node(made, *path)], "HUP" if name == "signal" else "")
    assert planned.risk == risk
    assert planned.requests[0].message["properties"] == message
    word = {"kill": "kill"}.get(name, name if not (name == "restart" and len(path) == 2) else "kill")
    assert planned.requests[0].message["command"] == word
    assert planned.question.endswith((".", "?"))
    assert bool(planned.word) == (risk == TYPE)


def test_what_makes_no_sense(made):
    worker, house = node(made, "web_app", 11), node(made, " daemon", 1)
    with pytest.raises(ArgumentError, match=r"stop: not for worker Web App\.1"):
        plan("stop", [worker])
    with pytest.raises(ArgumentError, match="not for"):
        plan("kill", [house])
    with pytest.raises(ArgumentError, match="nothing is selected"):
        plan("start", [])
    assert applicable([house]) == []
    assert [action.name for action in applicable([worker])] == ["restart", "signal", "kill"]
    assert {action.name for action in applicable([node(made, "web_app")])} == set(ACTIONS)


def test_several_rows(made):
    both = [node(made, "web_app", pid) for pid in (11, 12)]
    planned = plan("restart", both)
    assert [request.message["properties"]["pid"] for request in planned.requests] == [11, 12]
    assert planned.question == "Restart 2 rows (Web App.1, Web App.2), 2 processes in all?"
    assert plan("stop", [node(made, "web_app")] * 4).risk == TYPE


@pytest.mark.parametrize(
    ("command", "properties", "risk", "word"),
    [
        ("status", {}, FREE, ""),
        ("start", {"name": "web"}, FREE, ""),
        ("set", {"name": "web"}, ASK, ""),
        ("stop", {"name": "web"}, ASK, ""),
        ("stop", {}, TYPE, "stop"),
        ("rm", {"name": "web"}, TYPE, "web"),
        ("quit", {}, TYPE, "quit"),
        ("made_up", {}, ASK, ""),
    ],
)
def test_typed_commands(command, properties, risk, word):
    planned = plan_command("e", {"command": command, "properties": properties}, f"{command} it")
    assert (planned.risk, planned.word) == (risk, word)
    assert planned.question.startswith(f"{command} it")


def test_outcomes():
    request = Request("e", {}, "stop web")
    assert outcome(request, {"status": "ok"}, 0.01) == ("good", "stop web: done")
    assert outcome(request, {"status": "ok", "numprocesses": 1}, 2.0) == ("good", "stop web: 1 process now (2.0 s)")
    refused = {"status": "error", "reason": "superseded", "cause": "by start"}
    assert outcome(request, refused, 2.0) == ("bad", "stop web: superseded (by start)")


def test_aftermath(made):
    worker, watcher = node(made, "web_app", 11), node(made, "web_app")
    assert aftermath(Request("e", {}, "", worker), made) == "still pid 11"
    made.take("e", "event", ["watcher.web_app.reap", {"process_pid": 11, "time": NOW}], NOW)
    assert aftermath(Request("e", {}, "", worker), made) == "no worker 1 at the moment"
    made.take("e", "event", ["watcher.web_app.spawn", {"process_pid": 44, "wid": 1, "time": NOW}], NOW)
    assert aftermath(Request("e", {}, "", worker), made) == "pid 44 now"
    assert aftermath(Request("e", {}, "", watcher), made) == "active, 2 of 2 workers"
    made.take("e", "event", ["watcher.web_app.remove", {"time": NOW}], NOW)
    assert aftermath(Request("e", {}, "", watcher), made) == "it is gone"


def test_what_events_have_told(made):
    worker, watcher = node(made, "web_app", 11), node(made, "web_app")
    restart = Request("e", {"command": "kill"}, "", worker)
    assert not is_told(restart, made)
    made.take("e", "event", ["watcher.web_app.reap", {"process_pid": 11, "time": NOW}], NOW)
    assert not is_told(restart, made)
    assert not is_told(Request("e", {"command": "restart"}, "", watcher), made)  # one of two workers
    made.take("e", "event", ["watcher.web_app.spawn", {"process_pid": 44, "wid": 1, "time": NOW}], NOW)
    assert is_told(restart, made)
    assert is_told(Request("e", {"command": "restart"}, "", watcher), made)
    assert is_told(Request("e", {"command": "signal"}, "", worker), made)
    stop = Request("e", {"command": "stop"}, "", watcher)
    assert not is_told(stop, made)
    made.take("e", "event", ["watcher.web_app.stop", {"time": NOW}], NOW)
    assert is_told(stop, made)
    made.take("e", "event", ["watcher.web_app.remove", {"time": NOW}], NOW)
    assert is_told(restart, made)
    assert is_told(Request("e", {"command": "restart"}, "everything"), made)
