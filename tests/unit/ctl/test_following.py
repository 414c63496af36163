"""``circusctl events`` against a scripted daemon."""

from __future__ import annotations

import json
import time

import pytest

from circus.ctl import following
from circus.ctl.arguments import BadValue
from circus.ctl.following import EventsRequest
from tests.unit.ctl.livedaemon import successor_of
from tests.unit.ctl.program import Program


@pytest.fixture
def follow(daemon):
    running = []

    def run(*args):
        program = Program("--endpoint", daemon.endpoint, "events", "-f", *args)
        running.append(program)
        daemon.await_subscription("watcher.")
        daemon.await_asked("events")
        program.expect("WHAT\n")
        return program

    yield run
    for program in running:
        program.__exit__()


def causes(out):
    return [line.split()[-1] for line in out.splitlines()[1:]]


# -- the past
# ----------------------------------------------------------------------------------------------------


def test_a_table(daemon, ctl):
    daemon.happen("web", "spawn", process_pid=100, wid=1, cause="start")
    daemon.happen("db", "stop", cause="because")
    status, out, err = ctl("events")
    assert (status, err) == (0, "")
    assert out.splitlines()[0].split() == ["TIME", "WATCHER", "EVENT", "PID", "WHAT"]
    assert [line.split()[2:] for line in out.splitlines()[1:]] == [
        ["web", "spawn", "100", "worker", "1:", "start"],
        ["db", "stop", "because"],
    ]


def test_nothing_has_happened(ctl):
    status, out, err = ctl("events")
    assert (status, len(out.splitlines()), err) == (0, 1, "")


def test_the_newest_of_some_watchers(daemon, ctl):
    for number in range(120):
        daemon.happen("web" if number % 2 else "db", "updated", option="cmd", cause=f"c{number}")
    assert causes(ctl("events")[1]) == [f"c{number}" for number in range(20, 120)]
    assert causes(ctl("events", "-n", "2")[1]) == ["c118", "c119"]
    assert causes(ctl("events", "-n2", "web")[1]) == ["c117", "c119"]
    assert causes(ctl("events", "-n2", "w*")[1]) == ["c117", "c119"]
    assert causes(ctl("events", "-n3", "web", "db")[1]) == ["c117", "c118", "c119"]
    assert causes(ctl("events", "-n0")[1]) == []


def test_since_a_number_or_a_time(daemon, ctl):
    daemon.happen("web", "start", cause="old", time=time.time() - 7200)
    daemon.happen("web", "stop", cause="new")
    assert causes(ctl("events", "--since", "1h")[1]) == ["new"]
    assert causes(ctl("events", "--since", "3h")[1]) == ["old", "new"]
    assert causes(ctl("events", "--since", "2")[1]) == ["new"]
    assert causes(ctl("events", "--since", "1")[1]) == ["old", "new"]
    assert causes(ctl("events", "--since", "0")[1]) == ["old", "new"]


def test_pages_are_turned(daemon, ctl, monkeypatch):
    monkeypatch.setattr(following, "PAGE", 10)
    for number in range(35):
        daemon.happen("web", "updated", option="cmd", cause=f"c{number}")
    assert causes(ctl("events", "--since", "1", "-n", "100")[1]) == [f"c{number}" for number in range(35)]
    assert daemon.commands.count("events") == 4


def test_json(daemon, ctl):
    daemon.happen("web", "stop", cause="because")
    for words in (["events", "--json"], ["--json", "events"]):
        status, out, _ = ctl(*words)
        assert status == 0
        assert json.loads(out) == daemon.events[0]


def test_unknown_watchers(daemon, ctl):
    assert ctl("events", "zz") == (3, "", "error: program zz not found\n")
    assert ctl("events", "web", "zz") == (3, "", "error: program zz not found\n")
    assert ctl("events", "-f", "zz") == (3, "", "error: program zz not found\n")


@pytest.mark.parametrize(("args", "complaint"), [(["--since", "soon"], "'soon' is no moment"), (["-n", "x"], "'x'")])
def test_a_bad_value_is_one_line(daemon, ctl, args, complaint):
    status, out, err = ctl("events", *args)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
    assert daemon.requests == []
    with pytest.raises(BadValue):
        EventsRequest([], {"lines": "-3"})


# -- what happens
# ------------------------------------------------------------------------------------------------


def test_follow(daemon, follow):
    daemon.happen("web", "start", cause="past")
    program = follow()
    program.expect("past\n")
    daemon.happen("web", "stop", cause="now")
    daemon.happen("db", "stop", cause="too")
    assert causes(program.expect("too\n")) == ["past", "now", "too"]
    assert program.interrupt() == 1
    assert program.err == ""


def test_events_that_were_not_heard_are_told_all_the_same(daemon, follow):
    answer = daemon.replies["events"]

    def events(props):
        reply = answer(props)
        if not daemon.events:  # right after the first answer, as if the subscription had not arrived
            daemon.happen("web", "start", cause="before", publish=False)
        return reply

    daemon.replies["events"] = events
    program = follow()
    program.expect("before\n")
    daemon.happen("web", "stop", cause="unheard", publish=False)
    daemon.happen("web", "start", cause="heard")
    assert causes(program.expect("heard\n")) == ["before", "unheard", "heard"]


def test_only_some_watchers(daemon, follow):
    program = follow("d*")
    daemon.happen("web", "start", cause="no")
    daemon.happen("db", "start", cause="yes")
    assert causes(program.expect("yes\n")) == ["yes"]


def test_events_that_were_forgotten_are_counted(daemon, follow):
    program = follow()
    for number in range(10):
        daemon.happen("web", "updated", publish=False, option="x", cause=f"c{number}")
    daemon.forgotten = 8
    daemon.happen("web", "stop", cause="end")
    assert causes(program.expect("end\n"))[-3:] == ["c8", "c9", "end"]
    if "c7" not in program.out:  # it was not asked in between
        program.complain("events are gone: the daemon has forgotten them")


def test_another_daemon(daemon, follow):
    for number in range(3):
        daemon.happen("web", "updated", option="x", cause=f"old{number}")
    program = follow()
    program.expect("old2\n")
    daemon.stop()
    program.complain(f"circusctl: {daemon.endpoint} does not answer; waiting for it to come back\n")
    with successor_of(daemon) as successor:
        successor.happen("web", "start", cause="new0")
        program.complain("was started anew")
        program.expect("new0\n")
        successor.await_subscription("watcher.")
        successor.happen("web", "stop", cause="new1")
        assert causes(program.expect("new1\n")) == ["old0", "old1", "old2", "new0", "new1"]
        assert f"{daemon.endpoint} is back\n" in program.err


def test_without_the_event_endpoint_it_asks(daemon, monkeypatch):
    daemon.replies["globaloptions"] = {"options": {"pubsub_endpoint": "tcp://127.0.0.1:1"}}
    with Program("--endpoint", daemon.endpoint, "events", "-f") as program:
        program.expect("WHAT\n")
        daemon.happen("web", "start", cause="unheard")
        program.expect("unheard\n")
        daemon.happen("web", "stop", cause="again")
        program.expect("again\n")
