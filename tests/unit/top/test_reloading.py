"""What reading the configuration again would change, and how far workers are replaced."""

from __future__ import annotations

import pytest

from circus.model.dashboard.exchange import Change, Exchange
from circus.model.plan import make_plan
from circus.top.actions import ASK, SHOW, TYPE, is_harmless
from circus.top.reloading import diff, plan_reloadconfig
from tests.unit.top.stories import NOW, board, event, sample


def answer(old, new):
    """What a daemon says of two sets of watchers."""

    def config(watchers, **options):
        return {**options, "watchers": [{"name": name, **told} for name, told in watchers.items()]}

    return make_plan(config(old), config(new)).told()


def test_a_diff_is_told_option_by_option():
    told = answer(
        {"web": {"cmd": "serve -a, b -> (c)", "env": {"A": "1"}, "numprocesses": 1}, "gone": {"cmd": "x"}},
        {"web": {"cmd": "serve (new), b", "env": {"A": "2"}, "uid": "www"}, "fresh": {"cmd": "y"}},
    )
    assert diff(told) == [
        ("bad", "remove watcher gone"), ("plain", "    no longer in the file"),
        ("warning", "replace watcher web"),
        ("bad", "  - cmd: 'serve -a, b -> (c)'"), ("good", "  + cmd: 'serve (new), b'"),
        ("plain", "    env changes"), ("bad", "  - numprocesses: 1"), ("good", "  + uid: 'www'"),
        ("good", "add watcher fresh"),
    ]  # fmt: skip


def test_sizes_and_options_of_the_daemon_are_told_like_any_option():
    told = answer({"web": {"cmd": "x", "numprocesses": 1}}, {"web": {"cmd": "x", "numprocesses": 3}})
    assert diff(told)[1:] == [("bad", "  - numprocesses: 1"), ("good", "  + numprocesses: 3")]
    told = make_plan({"loglevel": "INFO"}, {"loglevel": "DEBUG"}).told()
    assert diff(told) == [
        ("plain", "set global loglevel"), ("bad", "  - loglevel: 'INFO'"), ("good", "  + loglevel: 'DEBUG'"),
    ]  # fmt: skip


def test_the_lines_of_a_daemon_that_tells_no_steps_are_shown_as_they_are():
    assert diff({"plan": ["replace watcher w (cmd: 'a' -> 'b')"]}) == [("plain", "replace watcher w (cmd: 'a' -> 'b')")]


_USED = {"w": {"cmd": "x --fd $(circus.sockets.s)"}}


@pytest.mark.parametrize(
    ("told", "risk", "asked"),
    [
        (answer({"a": {}}, {}), ASK, "1 step:"),
        (answer({}, {"a": {}, "b": {}}), ASK, "2 steps:"),
        ({"plan": ["add watcher a"]}, ASK, "1 step:"),
        (answer({}, {}), SHOW, "nothing to do"),
        (answer({}, _USED), SHOW, "cannot be loaded"),
        (make_plan({"endpoint": "a"}, {"endpoint": "b"}).told(), TYPE, "all its workers are restarted"),
        (None, ASK, "cannot tell beforehand"),
    ],
)
def test_how_much_asking_it_takes(told, risk, asked):
    planned = plan_reloadconfig("here", told)
    assert planned.risk == risk
    assert asked in planned.question
    assert len(planned.requests) == (risk != SHOW)
    assert (planned.word == "here") == (risk == TYPE)
    assert plan_reloadconfig("here", told, is_allowed=False).risk == SHOW


def test_a_dry_run_changes_nothing():
    assert is_harmless({"command": "reloadconfig", "properties": {"dry_run": True}})
    assert not is_harmless({"command": "reloadconfig", "properties": {"waiting": True}})


# -- workers being replaced -----------------------------------------------------------------------------------------


def test_workers_are_replaced_step_by_step():
    made = board(("stat", sample(11, wid=1)), ("stat", sample(12, wid=2)))
    web = made.find(("e", "web"))
    exchange = Exchange([web])

    def steps():
        return [change.steps for change in exchange.look(made)]

    assert (len(exchange), steps()) == (2, [0, 0])
    made.take("e", "event", event("spawn", process_pid=21, wid=3, seq=1), NOW)
    made.take("e", "stat", sample(21, wid=3, state="starting"), NOW)
    assert steps() == [1, 0]
    made.take("e", "stat", sample(21, wid=3), NOW)
    made.take("e", "event", event("kill", process_pid=12, seq=2), NOW)
    assert exchange.look(made)[1] == Change("web.2", 12, "stopping", 21, "running")  # who goes first has a successor
    made.take("e", "event", event("reap", process_pid=12, wid=2, exit_code=0, seq=3), NOW)
    assert steps() == [0, 4]
    assert exchange.look(made)[1].is_done
    made.take("e", "event", event("reap", process_pid=11, wid=1, exit_code=0, seq=4), NOW)
    made.take("e", "event", event("spawn", process_pid=22, wid=1, seq=5), NOW)
    assert steps() == [4, 4]


def test_all_watchers_of_a_daemon_and_one_that_goes_away():
    made = board(("stat", sample(11)), ("stat", sample(12, "api")), ("stat", sample(1, "circus", name="circusd")))
    exchange = Exchange([made.endpoints["e"].root])
    assert len(exchange) == 2
    made.take("e", "event", event("remove", "api", seq=1), NOW)
    assert {change.name: change.state for change in exchange.look(made)} == {"web.1": "running", "api.1": "gone"}
