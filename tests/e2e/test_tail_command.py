"""circusctl tail, events and why against a real daemon: workers write, die and flood; on terminals, through ssh."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from harness.daemon import Daemon
from harness.installation import OURS
from harness.paths import child_command
from harness.sshd import SSH, SSHD, Sshd
from harness.waiting import PATIENCE, eventually

#: Writes what appears in a file, so that a test decides what is written when: "file" and the stream's descriptor.
WRITER = """\
import os, sys, time
path = sys.argv[1] + os.environ["CIRCUS_WID"]
seen = 0
while True:
    try:
        data = open(path, "rb").read()
    except FileNotFoundError:
        data = b""
    if b"DIE" in data[seen:]:
        os.unlink(path)
        os._exit(3)
    for line in data[seen:].splitlines(True):
        os.write(2 if line.startswith(b"!") else 1, line)
    seen = len(data)
    time.sleep(0.01)
"""

INI = """
[circus]
capture = true
[watcher:web]
cmd = {python} -S -E -B {{dir}}/writer.py {{dir}}/web
numprocesses = 2
[watcher:One Two]
cmd = {python} -S -E -B {{dir}}/writer.py {{dir}}/two
[watcher:flood]
cmd = {flood}
autostart = False
"""


def ini(directory: Path, flood_bytes: int = 0) -> str:
    (directory / "writer.py").write_text(WRITER)
    flood = child_command("floods_stdout", flood_bytes, directory / "flooded")
    return INI.format(python=OURS.python, flood=flood)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path, ini(tmp_path)) as daemon:
        yield daemon


def write(daemon: Daemon, worker: str, *lines: str) -> None:
    """Let a worker (``web1``) write lines: to standard error those that begin with ``!``."""
    with (daemon.directory / worker).open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


class Following:
    """A circusctl that goes on for ever: its output is read into ``out`` and ``err`` whenever something is awaited.

    :param terminal: give it a pseudo terminal, and the answer of that as ``out``.
    """

    def __init__(self, daemon: Daemon, *arguments: str, terminal: bool = False, **variables: str) -> None:
        self.out = self.err = ""
        self._master = -1
        stdout: int = subprocess.PIPE
        if terminal:
            self._master, stdout = pty.openpty()
        self.process = subprocess.Popen(
            OURS.command("circus.circusctl", "--endpoint", daemon.endpoint, *arguments),
            cwd="/", env=OURS.environment({"TERM": "xterm", **variables}),
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
        )  # fmt: skip
        if terminal:
            os.close(stdout)
        else:
            assert self.process.stdout is not None
            self._master = os.dup(self.process.stdout.fileno())
            self.process.stdout.close()

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self._master)

    def expect(self, text: str) -> str:
        """Wait until ``text`` was printed, and return all that was."""
        return self.await_that(lambda: text in self.out, text)

    def complain(self, text: str) -> str:
        """Wait until ``text`` was printed on standard error."""
        self.await_that(lambda: text in self.err, text)
        return self.err

    def await_that(self, reached: Callable[[], bool], what: str, patience: float = 2 * PATIENCE) -> str:
        deadline = time.monotonic() + patience
        while not reached():
            assert time.monotonic() < deadline, f"no {what!r} in {self.out[-500:]!r} {self.err[-1000:]!r}"
            self._read(0.1)
        return self.out

    def interrupt(self) -> int:
        """Press Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        self.await_that(lambda: self.process.poll() is not None, "the end")
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, timeout: float) -> bool:
        assert self.process.stderr is not None
        error = self.process.stderr.fileno()
        ready, _, _ = select.select([self._master, error], [], [], timeout)
        found = False
        for fd in ready:
            try:
                data = os.read(fd, 1 << 20)
            except OSError:  # the other end of a terminal was closed
                continue
            found = found or bool(data)
            if fd == error:
                self.err += data.decode()
            else:
                self.out += data.decode()
        return found


def texts(out: str) -> list[str]:
    return [re.split(r" [|!] ", line)[-1] for line in out.splitlines()]


# -- the past ----------------------------------------------------------------------------------------------------------


def test_the_last_lines_of_some_workers(daemon: Daemon) -> None:
    write(daemon, "web1", "one")
    eventually(lambda: daemon.ctl("tail").out == "web.1 | one\n")
    write(daemon, "web2", "! two")
    eventually(lambda: "two" in daemon.ctl("tail").out)
    write(daemon, "two1", "three")
    everything = "web.1 | one\nweb.2 ! ! two\nOne Two.1 | three\n"
    eventually(lambda: daemon.ctl("tail").out == everything)
    assert daemon.ctl("tail", "web", "one two").out == everything
    assert daemon.ctl("tail", "w*").out == "web.1 | one\nweb.2 ! ! two\n"
    assert daemon.ctl("tail", "one_two", "-n5").out == "One Two.1 | three\n"
    assert daemon.ctl("tail", "--stderr").out == "web.2 ! ! two\n"
    assert daemon.ctl("tail", "--grep", "^t").out == "One Two.1 | three\n"
    pid = daemon.pids("web")[0]
    told = json.loads(daemon.ctl("tail", "--json", "--pid", pid, "-n1").out)
    assert (told["watcher"], told["pid"]) == ("web", pid)
    assert daemon.ctl("tail", "zz") == (3, "", "error: program zz not found\n")


def test_output_that_is_not_captured(tmp_path: Path) -> None:
    with Daemon(tmp_path, "[watcher:mute]\ncmd = sleep 98765432\n") as daemon:
        rc, out, err = daemon.ctl("tail", "mute")
        assert (rc, out) == (3, "")
        assert "capture = true" in err
        with Following(daemon, "tail", "-f") as following:
            following.complain("not captured: mute, probe")


# -- what comes --------------------------------------------------------------------------------------------------------


def test_nothing_is_missed_and_nothing_comes_twice(daemon: Daemon) -> None:
    """A worker writes all the time, while readers come at any moment."""
    number = 0

    def chatter(count: int) -> None:
        nonlocal number
        for _ in range(count):
            write(daemon, "web1", f"line {number}")
            number += 1
            time.sleep(0.002)

    chatter(20)
    eventually(lambda: "line 19" in daemon.ctl("tail").out)
    with contextlib.ExitStack() as stack:
        readers = []
        for _ in range(4):
            readers.append(stack.enter_context(Following(daemon, "tail", "-f", "-n", "1000", "web")))
            chatter(100)
        for reader in readers:
            reader.await_that(lambda reader=reader: f"line {number - 1}\n" in reader.out, "the last line")
            assert texts(reader.out) == [f"line {each}" for each in range(number)]
            assert reader.err == ""
            assert reader.interrupt() == 1


def test_a_new_worker_goes_on(daemon: Daemon) -> None:
    with Following(daemon, "tail", "-f", "web") as following:
        write(daemon, "web1", "before")
        following.expect("before")
        write(daemon, "web1", "DIE")
        eventually(lambda: not (daemon.directory / "web1").exists())
        write(daemon, "web1", "after")
        following.expect("web.1 | after\n")
        (daemon.directory / "web1").unlink()
        assert daemon.ctl("restart", "web", "--waiting").rc == 0
        write(daemon, "web1", "restarted")
        assert texts(following.expect("restarted\n")) == ["before", "after", "restarted"]
    assert daemon.ctl("why", "web", "--no-color").out.count("exited with 3") >= 1


def test_the_daemon_goes_and_comes_back(daemon: Daemon) -> None:
    with Following(daemon, "tail", "-f") as tail, Following(daemon, "events", "-f", "web") as events:
        write(daemon, "web1", "before")
        tail.expect("before")
        events.expect("start")
        daemon.stop()
        tail.complain(f"circusctl: the connection to {daemon.endpoint} was lost; waiting for it to come back\n")
        events.complain("does not answer; waiting")
        (daemon.directory / "web1").unlink()
        daemon.start()
        tail.complain("is back, started anew\n")
        events.complain("was started anew")
        write(daemon, "web2", "after")
        assert texts(tail.expect("after\n")) == ["before", "after"]
        assert events.await_that(lambda: events.out.count(" start ") >= 2, "the second start")
        assert (tail.interrupt(), events.interrupt()) == (1, 1)


def test_a_flood(tmp_path: Path) -> None:
    """Lines may be left out, and then they are counted; what is shown is whole and in order."""
    total = 30_000_000
    with Daemon(tmp_path, ini(tmp_path, total)) as daemon, Following(daemon, "tail", "-f", "web", "flood") as following:
        write(daemon, "web1", "ready")
        following.expect("ready\n")
        following.out = ""
        daemon.ctl("start", "flood", "--waiting")
        last = f"{total // 100 - 1:099d}\n"
        following.await_that(lambda: following.out.endswith(last), "the last line", 4 * PATIENCE)
        numbers = [int(text) for text in texts(following.out)]
        assert all(len(text) == 99 for text in texts(following.out))
        assert numbers == sorted(set(numbers))
        following.await_that(lambda: _counted(following.err) + len(numbers) >= total // 100, "all lost lines")
        assert _counted(following.err) + len(numbers) == total // 100
        assert psutil.Process(following.process.pid).memory_info().rss < 100e6
        assert daemon.status("web") == "active"


def _counted(err: str) -> int:
    return sum(int(found) for found in re.findall(r"flood\.1: (\d+) lines", err))


# -- on a terminal -----------------------------------------------------------------------------------------------------


def test_colours_on_a_terminal(daemon: Daemon) -> None:
    with Following(daemon, "tail", "-f", "web", terminal=True) as following:
        write(daemon, "web1", "out")
        following.expect("out\r\n")
        write(daemon, "web2", "! \x1b[2Jerr")
        line = following.expect("err\r\n").splitlines()[-1]
        assert re.fullmatch(r"\x1b\[\d+mweb\.2\x1b\[0m +\x1b\[31m!\x1b\[0m ! \^\[\[2Jerr", line)
        assert re.match(r"\x1b\[\d+mweb\.1\x1b\[0m +\x1b\[\d+m\|\x1b\[0m out", following.out)
        assert following.interrupt() == 1
    with Following(daemon, "tail", "-n1", terminal=True, NO_COLOR="1") as plain:
        assert plain.expect("err\r\n") == "web.2     ! ! ^[[2Jerr\r\n"
    with Following(daemon, "events", "--no-color", terminal=True) as plain:
        assert "\x1b" not in plain.expect("WHAT")
    with Following(daemon, "why", "web", terminal=True) as why:
        assert "web is \x1b[32mactive\x1b[0m" in why.expect("Story")


# -- events and why ----------------------------------------------------------------------------------------------------


def test_events_without_a_gap(daemon: Daemon) -> None:
    with Following(daemon, "events", "-f", "--json", "-n", "1000") as following:
        following.expect('"start"')
        for _ in range(5):
            daemon.ctl("restart", "web", "--waiting")
        os.kill(daemon.pids("One Two")[0], signal.SIGKILL)
        following.expect('"killed by SIGKILL"')
        daemon.call("set", name="probe", options={"warmup_delay": 3}, waiting=True)
        following.expect('"warmup_delay"')
        told = [json.loads(line) for line in following.out.splitlines()]
        assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
        counts = Counter((event["watcher"], event["event"]) for event in told)
        assert counts["web", "start"] == counts["web", "stop"] + 1
        assert all(event["cause"] for event in told)
        who = f"(circusctl {OURS_USER}@{os.uname().nodename} pid "
        assert any(event["cause"].startswith(f"restart command {who}") for event in told)
    since = daemon.ctl("events", "--since", str(len(told)), "--json")
    assert next(json.loads(line)["seq"] for line in since.out.splitlines()) == len(told)
    assert daemon.ctl("events", "--since", "1h", "-n", "1", "probe").out.splitlines()[-1].split()[2:4] == [
        "probe", "updated"
    ]  # fmt: skip


OURS_USER = psutil.Process().username()


def test_listen_hides_what_is_written(daemon: Daemon) -> None:
    pubsub = daemon.pubsub_endpoint
    command = OURS.command("circus.circusctl", "--endpoint", pubsub, "listen")
    with contextlib.ExitStack() as stack:
        programs = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, *topics], cwd=daemon.directory, env=OURS.environment(), stdout=subprocess.PIPE
                )
            )
            for topics in ([], ["output.web."])
        ]
        for program in programs:
            stack.callback(program.kill)
        everything, output = (program.stdout for program in programs)
        assert everything is not None
        assert output is not None

        def heard() -> bool:
            write(daemon, "web1", "something")
            return bool(select.select([output], [], [], 0.1)[0])

        eventually(heard)
        assert output.readline().startswith(b"b'output.web.1': b'{")

        def told() -> bool:
            daemon.call("set", name="probe", options={"warmup_delay": 1})
            return bool(select.select([everything], [], [], 0.1)[0])

        eventually(told)
        assert everything.readline().startswith(b"b'watcher.probe.updated'")


# -- from afar ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(SSHD is None or SSH is None, reason="no OpenSSH server or client")
def test_through_a_real_ssh(tmp_path: Path) -> None:
    with Sshd() as sshd, Daemon(tmp_path, ini(tmp_path), transport="tcp") as daemon:
        ssh = ["--ssh", sshd.destination, "--ssh_keyfile", str(sshd.keyfile)]
        with Following(daemon, *ssh, "tail", "-f", "web", **sshd.variables) as following:
            write(daemon, "web1", "from afar")
            following.expect("web.1 | from afar\n")
            write(daemon, "web1", "again")
            assert texts(following.expect("again\n")) == ["from afar", "again"]
            assert following.interrupt() == 1
        with Following(daemon, *ssh, "events", "-f", "web", **sshd.variables) as following:
            following.expect(" start ")
            daemon.call("restart", name="web")
            following.await_that(lambda: following.out.count(" start ") > 1, "the second start")
            assert following.interrupt() == 1
