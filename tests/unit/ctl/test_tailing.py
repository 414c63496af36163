"""``circusctl tail`` against a scripted daemon: the past, what comes, and what goes wrong."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import zmq

from circus import circusctl
from circus.ctl.arguments import BadValue
from circus.ctl.notices import Notices
from circus.ctl.tailing import decode_batch, in_time
from circus.ctl.tailrequest import ALL, TailRequest
from harness.waiting import eventually
from tests.unit.ctl.livedaemon import Worker, successor_of
from tests.unit.ctl.program import Program

WEB1, WEB2, DB = Worker("web", 1, 100), Worker("web", 2, 101), Worker("db", 1, 200)
#: It asks twice again after it has subscribed.
SOON = {"circus.ctl.tailing._AGAIN_AFTER": (0.05, 0.1)}
#: It asks again when all that a test writes is written: no answer has the lines before they come by themselves.
LATE = {"circus.ctl.tailing._AGAIN_AFTER": (2.5,)}


@pytest.fixture
def follow(daemon):
    """Runs ``tail -f`` until it is subscribed and has asked."""
    running = []

    def run(*args, **options):
        program = Program("--endpoint", daemon.endpoint, "tail", "-f", *args, **options)
        running.append(program)
        daemon.await_subscription("output.")
        daemon.await_asked("tail")
        return program

    yield run
    for program in running:
        program.__exit__()


# -- the past
# ----------------------------------------------------------------------------------------------------


def test_lines_of_several_watchers_in_the_order_of_time(daemon, ctl):
    daemon.write(WEB1, "one")
    daemon.write(DB, "two", stream="stderr")
    daemon.write(WEB2, "three")
    assert ctl("tail") == (0, "web.1 | one\ndb.1 ! two\nweb.2 | three\n", "")
    assert ctl("tail", "-n", "1") == ctl("tail", "-n1") == ctl("tail", "--lines=1") == (0, "web.2 | three\n", "")
    assert ctl("tail", "-n0") == (0, "", "")
    assert ctl("tail", "w*", "-n", "5") == (0, "web.1 | one\nweb.2 | three\n", "")
    assert ctl("tail", "--stderr") == (0, "db.1 ! two\n", "")
    assert ctl("tail", "--pid", "101") == (0, "web.2 | three\n", "")


def test_what_is_asked(daemon, ctl):
    ctl("tail", "web")
    ctl("tail", "--stdout", "--stderr", "-n", "3", "web", "db")
    assert [request["properties"] for request in daemon.requests] == [
        {"lines": 10, "name": "web"},
        {"lines": 3, "name": ["web", "db"]},
    ]
    assert daemon.requests[0]["caller"].startswith("circusctl ")
    ctl("tail", "--since", "10m", "--pid", "7", "--stdout")
    props = daemon.requests[-1]["properties"]
    assert props.pop("since") == pytest.approx(time.time() - 600, abs=60)
    assert props == {"lines": ALL, "pid": 7, "stream": "stdout"}


def test_grep_shows_the_newest_that_match(daemon, ctl):
    daemon.write(WEB1, *(f"line {number}" for number in range(50)))
    assert ctl("tail", "--grep", "[05]$", "-n2") == (0, "web.1 | line 40\nweb.1 | line 45\n", "")
    assert ctl("tail", "--grep", "nothing") == (0, "", "")


@pytest.mark.parametrize("words", [["tail", "--json"], ["--json", "tail"]])
def test_json(daemon, ctl, words):
    daemon.write(WEB1, "one", "two")
    status, out, err = ctl(*words)
    assert (status, err) == (0, "")
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["one", "two"]


def test_an_unknown_watcher_is_the_old_error(daemon, ctl):
    assert ctl("tail", "zz") == (3, "", "error: program zz not found\n")
    assert ctl("tail", "web", "zz") == (3, "", "error: program zz not found\n")
    assert ctl("tail", "-f", "zz") == (3, "", "error: program zz not found\n")
    status, out, err = ctl("tail", "--json", "zz")
    assert (status, out, json.loads(err)["reason"]) == (3, "", "program zz not found")


def test_what_is_not_captured_is_told(daemon, ctl):
    daemon.watchers["db"] = False
    daemon.write(WEB1, "one")
    assert ctl("tail") == (0, "web.1 | one\n", "")
    status, out, err = ctl("tail", "web", "db")
    assert (status, out) == (0, "web.1 | one\n")
    assert err.startswith("circusctl: not captured: db (give ")
    assert ctl("tail", "db") == (3, "", "error: the output of db is not captured\n")


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--grep", "("], "--grep: '(' is no regular expression: missing ), unterminated subpattern at position 0"),
        (["-n", "x"], "--lines: 'x' is no number of lines"),
        (["-n-1"], "--lines: '-1' is no number of lines"),
        (["--pid", "web"], "--pid: 'web' is no process id"),
        (["--since", "soon"], "--since: 'soon' is no moment: expected 30s, 10m, 2h, 1d, a time such as "
                              "2026-11-21T10:00 or 10:00"),
    ],
)  # fmt: skip
def test_a_bad_value_is_one_line(daemon, ctl, args, complaint):
    assert ctl("tail", *args) == (2, "", f"circusctl: error: {complaint}\n")
    assert daemon.requests == []


def test_a_bad_option_is_told_with_the_usage(daemon, ctl):
    status, _, err = ctl("tail", "--foo")
    assert status == 2
    assert "unrecognized arguments: --foo" in err
    assert ctl("tail", "-x")[0] == 2
    assert ctl("tail", "-fx")[0] == 2
    assert ctl("tail", "-n")[0] == 2


def test_a_daemon_that_is_down_is_told_at_once(tmp_path, capsys):
    assert circusctl.run(["--endpoint", f"ipc://{tmp_path / 'c'}", "tail", "-f"]) == 1
    assert "Is circusd running?" in capsys.readouterr().err


def test_no_zmq_is_needed_for_the_past(daemon):
    daemon.write(WEB1, "one")
    code = "import sys; from circus.circusctl import run; run(sys.argv[1:]); print('zmq' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "--endpoint", daemon.endpoint, "tail"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "web.1 | one\nFalse\n"


def test_characters_the_terminal_has_not(daemon):
    daemon.write(WEB1, "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{SNOWMAN}")
    with Program("--endpoint", daemon.endpoint, "tail", variables={"PYTHONIOENCODING": "ascii"}) as program:
        assert program.end() == 0
        assert program.out == "web.1 | caf\\xe9 \\u2603\n"


# -- what comes
# --------------------------------------------------------------------------------------------------


def test_follow(daemon, follow):
    daemon.write(WEB1, "past")
    program = follow("web")
    program.expect("past")
    daemon.write(WEB1, "live")
    daemon.write(DB, "of another")
    daemon.write(WEB2, "of its sibling", stream="stderr")
    assert program.expect("sibling\n") == "web.1 | past\nweb.1 | live\nweb.2 ! of its sibling\n"
    assert program.interrupt() == 1
    assert program.err == ""


def test_lines_between_the_subscription_and_the_answer_come_once(daemon, follow):
    program = follow(constants=LATE)
    daemon.write(WEB1, "a")
    daemon.write(WEB1, "b", publish=False)  # as if the subscription had not arrived
    daemon.write(WEB1, "c")
    daemon.write(WEB2, "d", publish=False)
    assert program.expect("d\n").splitlines() == ["web.1 | a", "web.1 | c", "web.2 | d"]
    daemon.write(WEB2, "e")
    program.expect("e\n")


def test_a_gap_before_the_first_batch_is_filled(daemon, follow):
    daemon.write(WEB1, "past")
    program = follow("-n1", constants=SOON)
    program.expect("past")
    daemon.await_asked("tail", 3)  # from here on only a batch can tell that something is missing
    daemon.write(WEB1, "a", "b", publish=False)
    daemon.write(WEB1, "c")
    assert program.expect("c\n").splitlines() == ["web.1 | past", "web.1 | a", "web.1 | b", "web.1 | c"]


def test_a_gap_that_cannot_be_filled_is_told(daemon, follow):
    program = follow(constants=SOON)
    daemon.await_asked("tail", 3)
    daemon.write(WEB1, "0123456789", publish=False, keep=False)
    daemon.write(WEB1, "c")
    program.expect("web.1 | c\n")
    program.complain("circusctl: web.1: 11 bytes of output lost\n")


def test_losses_are_told(daemon, follow):
    program = follow(constants=LATE)
    daemon.write(WEB1, "a")
    daemon.write(WEB1, "b", "c", "d", publish=False)
    daemon.write(WEB1, "e")
    program.expect("web.1 | e\n")
    program.complain("circusctl: web.1: 3 lines lost: this reader is too slow\n")
    daemon.write(WEB1, "f", lost=7)
    program.expect("web.1 | f\n")
    program.complain("circusctl: web.1: 7 lines left out: it writes more than circusd publishes\n")


def test_filters_apply_to_what_comes(daemon, follow):
    daemon.write(WEB1, "yes, past")
    program = follow("--grep", "yes", "--stderr", "--json")
    daemon.write(WEB1, "yes, but stdout")
    daemon.write(WEB1, "no", "yes", stream="stderr")
    told = json.loads(program.expect('"yes"}\n'))
    assert told == {**told, "watcher": "web", "wid": 1, "pid": 100, "stream": "stderr", "text": "yes"}


def test_new_workers_and_new_watchers_that_match(daemon, follow):
    program = follow("w*", constants=LATE)
    daemon.write(WEB1, "old")
    program.expect("old")
    daemon.write(Worker("web", 1, 300), "its successor")
    daemon.write(Worker("Workers Two", 1, 301), "a new watcher")
    daemon.write(Worker("other", 1, 302), "not meant")
    daemon.write(WEB1, "end")
    assert program.expect("end\n").splitlines() == [
        "web.1 | old", "web.1 | its successor", "Workers Two.1 | a new watcher", "web.1 | end"
    ]  # fmt: skip


def test_only_one_process(daemon, follow):
    program = follow("--pid", "101")
    daemon.write(WEB1, "no")
    daemon.write(WEB2, "yes")
    assert program.expect("yes\n") == "web.2 | yes\n"


def test_nobody_to_wait_for(daemon, follow):
    daemon.watchers.update(web=False, db=False)
    program = follow()
    assert "not captured: db, web" in program.complain("not captured")


def test_the_daemon_goes_and_another_comes(daemon, follow):
    program = follow()
    daemon.write(WEB1, "before", "x")
    program.expect("x\n")
    daemon.stop()
    program.complain(f"circusctl: the connection to {daemon.endpoint} was lost; waiting for it to come back\n")
    with successor_of(daemon) as successor:
        # As in a container, the workers have the pids of their predecessors.
        successor.write(WEB1, "started")
        program.complain(f"circusctl: {daemon.endpoint} is back, started anew\n")
        program.expect("started")
        successor.await_subscription("output.")
        successor.write(WEB1, "goes on")
        assert program.expect("goes on\n").splitlines() == [
            f"web.1 | {text}" for text in ("before", "x", "started", "goes on")
        ]
        assert program.interrupt() == 1


def test_the_daemon_goes_as_soon_as_it_has_told_the_past(daemon):
    daemon.write(WEB1, "before")
    with Program("--endpoint", daemon.endpoint, "tail", "-f") as program:
        program.expect("before\n")
        daemon.stop()
        program.complain(f"circusctl: the connection to {daemon.endpoint} was lost; waiting for it to come back\n")
        # Nothing is asked between the past and what comes: it would end the program.
        assert daemon.asked()[-2:] == ["events", "tail"]
        with successor_of(daemon) as successor:
            successor.write(WEB1, "after")
            program.complain(f"circusctl: {daemon.endpoint} is back, started anew\n")
            program.expect("after\n")


def test_the_same_daemon_after_an_interruption(daemon, follow):
    program = follow()
    daemon.write(WEB1, "a", "b")
    program.expect("b\n")
    daemon.publisher.unbind(daemon.pubsub_endpoint)
    daemon.publisher.close()
    program.complain("was lost")
    daemon.write(WEB1, "c", publish=False)
    daemon.publisher = daemon._events_context.socket(zmq.XPUB)
    daemon._subscriptions.clear()
    eventually(lambda: _bound(daemon.publisher, daemon.pubsub_endpoint))
    program.complain("is back\n")
    program.expect("c\n")
    daemon.await_subscription("output.")
    daemon.write(WEB1, "d")
    assert program.expect("d\n").splitlines() == [f"web.1 | {text}" for text in "abcd"]
    assert "lines lost" not in program.err


def _bound(publisher, endpoint):
    try:
        publisher.bind(endpoint)
    except zmq.ZMQError as error:
        raise AssertionError(str(error)) from error
    return True


def test_a_watcher_that_a_new_daemon_has_not(daemon, follow):
    program = follow("db")
    daemon.stop()
    del daemon.watchers["db"]
    with successor_of(daemon):
        program.complain("circusctl: program db not found\n")
        assert program.process.poll() is None


def test_no_connection_to_the_events(daemon):
    daemon.replies["globaloptions"] = {"options": {"pubsub_endpoint": "tcp://127.0.0.1:1"}}
    daemon.write(WEB1, "past")
    soon = {"circus.ctl.tailing.PATIENCE": 0.1}
    with Program("--endpoint", daemon.endpoint, "tail", "-f", constants=soon) as program:
        program.expect("past")
        program.complain("circusctl: no connection to the live output at tcp://127.0.0.1:1 yet; still trying\n")


def test_a_reader_that_goes_away_ends_it_silently(daemon):
    daemon.write(WEB1, "past")
    read, write = os.pipe()
    with open(read, "rb") as reader, open(write, "wb") as out:
        program = subprocess.Popen(
            [sys.executable, "-m", "circus.circusctl", "--endpoint", daemon.endpoint, "tail", "-f"],
            stdout=out, stderr=subprocess.PIPE,
        )  # fmt: skip
        out.close()
        try:
            assert reader.readline() == b"web.1 | past\n"
            reader.close()  # nothing is written any more, and yet it notices
            assert program.wait(30) == 1
            assert program.stderr.read() == b""
        finally:
            program.kill()
            program.wait()
            program.stderr.close()


def test_a_reader_that_stops_reading_costs_little_memory(daemon):
    """A terminal that was stopped with Ctrl-S while a worker floods."""
    lines = ["x" * 99] * 163
    with Program("--endpoint", daemon.endpoint, "tail", "-f") as program:
        daemon.await_subscription("output.")
        daemon.await_asked("tail")
        daemon.write(WEB1, "first")
        program.expect("first")
        process = psutil.Process(program.process.pid)
        before = process.memory_info().rss
        for _ in range(4000):  # 65 MB
            daemon.write(WEB1, *lines, keep=False)
        assert process.memory_info().rss < before + 40e6
        daemon.write(WEB1, "last")
        program.complain("lost")  # although nothing comes any more that would tell
        assert program.expect("last").endswith("web.1 | last\n")


@pytest.mark.slow
def test_it_keeps_up_with_twenty_megabytes_a_second(daemon, tmp_path):
    """By its own CPU time, so that it holds on a busy machine, too."""
    lines = ["x" * 91] * 163  # with prefix and end, 100 bytes each are shown
    shown = tmp_path / "shown"
    with shown.open("wb") as out:
        program = subprocess.Popen(
            [sys.executable, "-m", "circus.circusctl", "--endpoint", daemon.endpoint, "tail", "-f"],
            stdout=out, stderr=subprocess.PIPE,
        )  # fmt: skip
    try:
        daemon.await_subscription("output.")
        daemon.await_asked("tail", 3)
        before = psutil.Process(program.pid).cpu_times()
        size = 0
        while size < 40e6:
            daemon.write(WEB1, *lines, keep=False)
            size += 100 * len(lines)
            eventually(lambda size=size: shown.stat().st_size > size - 2e6)  # less than what may wait
        eventually(lambda: shown.stat().st_size == size)
        after = psutil.Process(program.pid).cpu_times()
        assert after.user + after.system - before.user - before.system < size / 20e6
    finally:
        program.terminate()
        assert program.stderr.read() == b""
        program.wait()
        program.stderr.close()


def test_through_ssh(daemon, tmp_path, monkeypatch):
    from tests.unit.system.test_tunnel import FAKE_SSH

    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(FAKE_SSH.format(python=sys.executable))
    (programs / "ssh").chmod(0o755)
    variables = {
        "PATH": f"{programs}:{os.environ['PATH']}", "SSH_RECORD": str(tmp_path / "record"), "TMPDIR": str(tmp_path)
    }  # fmt: skip
    with Program("--endpoint", daemon.endpoint, "--ssh", "me@h", "tail", "-f", variables=variables) as program:
        daemon.await_subscription("output.")
        daemon.await_asked("tail")
        daemon.write(WEB1, "from afar")
        program.expect("web.1 | from afar\n")
        tunnels = [each for each in psutil.Process(program.process.pid).children(recursive=True)]
        assert len(tunnels) >= 2
        for tunnel in tunnels:  # the network goes away
            with_suppressed_kill(tunnel)
        program.complain("was lost")
        program.complain("is back")
        daemon.await_subscription("output.")
        daemon.write(WEB1, "again")
        assert program.expect("again\n") == "web.1 | from afar\nweb.1 | again\n"
        assert program.interrupt() == 1
    eventually(lambda: not [path for path in tmp_path.iterdir() if path.name.startswith("circus-ssh-")])


def with_suppressed_kill(process):
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        pass


# -- parts
# ------------------------------------------------------------------------------------------------------


def test_batches_are_put_in_the_order_of_time():
    def batch(pid, at):
        return {"pid": pid, "stream": "stdout", "time": at}

    assert [each["time"] for each in in_time([batch(1, 5), None, batch(2, 3), batch(1, 6)])] == [3, 5, 6]
    # A clock that is set back does not turn one stream round.
    assert [each["time"] for each in in_time([batch(1, 5), batch(1, 4), batch(2, 4.5)])] == [4.5, 5, 4]


@pytest.mark.parametrize(
    "message",
    [
        (b"watcher.web.spawn", b"{}"),
        (b"output.web.1", b"nonsense"),
        (b"output.web.1", b"[]"),
        (b"output.web.1", b'{"watcher": "web"}'),
        (b"output.web.1", b"\xff"),
    ],
)
def test_what_is_no_batch_is_passed_over(message):
    assert decode_batch(message) is None


def test_a_request_admits_what_it_asks_for():
    request = TailRequest(["One Two"], {"pid": "5", "stdout": True})
    batch = {"watcher": "One Two", "res_name": "one_two", "pid": 5, "stream": "stdout"}
    assert request.admits(batch)
    for other in ({"pid": 6}, {"stream": "stderr"}, {"watcher": "x", "res_name": "x"}):
        assert not request.admits({**batch, **other})
    with pytest.raises(BadValue, match="--pid: '5a' is no process id"):
        TailRequest([], {"pid": "5a"})


def test_notices_of_losses_come_now_and_then(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("circus.ctl.notices.time.monotonic", lambda: clock[0])
    err = io.StringIO()
    notices = Notices(err)
    notices.lose("web.1", 0, 0)
    assert not notices.pending
    for _ in range(3):
        notices.lose("web.1", 2, 1)
        notices.flush(idle=False)
        clock[0] += 0.3
    assert err.getvalue().count("lost") == 1
    clock[0] += 1
    notices.flush(idle=False)
    assert "web.1: 4 lines lost" in err.getvalue()
    assert "web.1: 2 lines left out" in err.getvalue()
    assert not notices.pending
