"""Output that is kept, told and followed: a real daemon, its real output, subscribers good and bad."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import zmq

from harness import Daemon, child_command, eventually
from harness.waiting import PATIENCE

CAPTURE = "capture = true\n"


def watcher(name: str, command: str, more: str = "") -> str:
    return f"[watcher:{name}]\ncmd = {command}\n{more}"


def writer(prefix: str, count: int = 0, pause: float = 0.0, length: int = 0, per_write: int = 1, *more: str) -> str:
    return child_command("writes_lines", prefix, count, pause, length, per_write, *more)


class Follower:
    """A subscriber to live output."""

    def __init__(self, daemon: Daemon, topic: str = "output.", **options: int) -> None:
        self.socket: zmq.Socket[bytes] = daemon.context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.LINGER, 0)
        for option, value in ({"RCVHWM": 0} | options).items():
            self.socket.setsockopt(getattr(zmq, option), value)
        self.socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        self.socket.connect(daemon.pubsub_endpoint)
        self.messages: list[dict[str, Any]] = []

    def read(self, timeout: float = 0.0) -> list[dict[str, Any]]:
        """All messages so far, after waiting for one for ``timeout`` seconds."""
        while self.socket.poll(timeout * 1000):
            topic, payload = self.socket.recv_multipart()
            message = json.loads(payload)
            assert topic.decode() == f"output.{message['res_name']}.{message['wid']}"
            self.messages.append(message)
            timeout = 0
        return self.messages

    def wait_for(self, text: str, deadline: float = PATIENCE) -> list[dict[str, Any]]:
        """Read until a line begins with ``text``."""
        seen = 0
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            for message in self.read(0.1)[seen:]:
                seen += 1
                if any(line.startswith(text) for line in message["lines"]):
                    return self.messages
        raise AssertionError(f"no line {text!r}; the last message was {self.messages[-1:]!r:.500}")

    def close(self) -> None:
        self.socket.close()


@contextlib.contextmanager
def follow(daemon: Daemon, topic: str = "output.", **options: int) -> Iterator[Follower]:
    follower = Follower(daemon, topic, **options)
    try:
        yield follower
    finally:
        follower.close()


def told(daemon: Daemon, **props: Any) -> dict[str, Any]:
    reply = daemon.call("tail", **props)
    assert reply["status"] == "ok", reply
    return reply


def texts(daemon: Daemon, **props: Any) -> list[str]:
    return [line["text"] for line in told(daemon, **props)["lines"]]


def spliced(reply: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Lines by process and stream: those told, then those that came live behind them."""
    shown: dict[str, list[str]] = {}
    for line in reply["lines"]:
        shown.setdefault(f"{line['pid']}.{line['stream']}", []).append(line["text"])
    for message in messages:
        source = f"{message['pid']}.{message['stream']}"
        if message["offset"] >= reply["ends"].get(source, 0):
            shown.setdefault(source, []).extend(message["lines"])
    return shown


def test_following_a_tail_has_neither_gap_nor_double(tmp_path: Path) -> None:
    ini = CAPTURE + watcher("web", writer("line", 0, 0.002), "numprocesses = 3\n")
    with Daemon(tmp_path, ini) as daemon:
        eventually(lambda: len(texts(daemon, name="web", lines=100)) == 100)
        for _ in range(3):
            with follow(daemon) as follower:
                eventually(lambda follower=follower: follower.read(0.05))
                reply, last = eventually(lambda: _told_of(daemon, 3))
                assert len(reply["lines"]) == 60
                end = max(int(text.split()[1]) for text in last.values()) + 200
                eventually(lambda follower=follower, end=end: _seen(follower, 3, end))
                shown = spliced(reply, follower.read())
            assert len(shown) == 3
            for lines in shown.values():
                numbers = [int(line.split()[1]) for line in lines]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert all(message["lost"] == 0 for message in follower.messages)


def _told_of(daemon: Daemon, count: int) -> tuple[dict[str, Any], dict[int, str]] | None:
    """The last lines and the last one of each worker, once all workers have a part in them."""
    reply = told(daemon, name="web", lines=60)
    last = {line["pid"]: line["text"] for line in reply["lines"]}
    return (reply, last) if len(last) == count else None


def _seen(follower: Follower, count: int, number: int) -> bool:
    """Whether that many workers have been heard with a line of that number or more."""
    heard = {m["pid"] for m in follower.read(0.05) if int(m["lines"][-1].split()[1]) >= number}
    return len(heard) == count


def test_of_two_watchers_only_the_wanted_one_is_heard(tmp_path: Path) -> None:
    ini = (
        watcher("Big Web", writer("web", 0, 0.01), "stdout_stream.filename = {dir}/log\n")
        + watcher("job", writer("job", 0, 0.01), "capture = true\n")
        + watcher("mute", writer("mute", 0, 0.1))
    )
    with Daemon(tmp_path, ini) as daemon:
        with follow(daemon, "output.big_web.") as follower:
            eventually(lambda: len(follower.read(0.05)) >= 20)
            assert {message["watcher"] for message in follower.read()} == {"Big Web"}

        def of_both(**props: Any) -> dict[str, Any] | None:
            """The last lines, once both have a part in them."""
            reply = told(daemon, **props)
            return reply if {line["watcher"] for line in reply["lines"]} == {"Big Web", "job"} else None

        reply = eventually(lambda: of_both(lines=50))
        assert reply["captured"] == {"Big Web": True, "job": True, "mute": False, "probe": False}
        assert {line["watcher"] for line in told(daemon, name="b*")["lines"]} == {"Big Web"}
        eventually(lambda: of_both(name=["job", "big_web"], lines=40))
        refused = daemon.call("tail", name="mute")
        assert (refused["status"], refused["errno"]) == ("error", 3)
        assert "mute is not captured" in refused["reason"]
        assert "stdout_stream.class" in refused["reason"]
        assert "capture = true" in refused["reason"]
        assert "stderr_stream.class" in daemon.call("tail", name="big_web", stream="stderr")["reason"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"lines": "x"}, "'lines' isn't a number of lines"),
    ({"lines": -1}, "'lines' isn't a number of lines"),
    ({"lines": True}, "'lines' isn't a number of lines"),
    ({"stream": "stdin"}, "'stream' must be stdout or stderr"),
    ({"since": "yesterday"}, "'since' isn't a number"),
    ({"pid": "many"}, "'pid' isn't an integer"),
    ({"pid": 999999999}, "there is no process 999999999"),
    ({"name": "nobody"}, "program nobody not found"),
    ({"name": ["web", 5]}, "the name of a watcher is a string, not 5"),
    ({"name": []}, "the list of watchers is empty"),
    ({"name": "web", "match": "guess"}, "unknown match method guess"),
]


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with Daemon(tmp_path, CAPTURE + watcher("web", "sleep 98765")) as daemon:
        for props, reason in REFUSED:
            refused = daemon.call("tail", **props)
            assert refused["status"] == "error", props
            assert reason in refused["reason"]
        assert told(daemon, name="web", lines=0)["lines"] == []


def test_last_words_are_kept_before_the_death_is_told(tmp_path: Path) -> None:
    (tmp_path / "lasthooks.py").write_text(
        "def before_reap(watcher, arbiter, hook_name, **kw):\n"
        "    with open('heard', 'a') as file:\n"
        "        file.write(repr(watcher.last_output(kw['process_pid'], 2)) + '\\n')\n"
        "    return True\n"
    )
    command = "/bin/sh -c 'echo first; echo oh no >&2; printf \"last words\"; exit 3'"
    ini = CAPTURE + watcher("web", command, "hooks.before_reap = lasthooks.before_reap\n")
    with Daemon(tmp_path, ini) as daemon, daemon.events() as events:
        reap = events.wait_event("web", "reap")[0]
        reply = told(daemon, pid=reap.pid)
        assert sorted(line["text"] for line in reply["lines"]) == ["first", "last words", "oh no"]
        assert reply["ends"] == {f"{reap.pid}.stdout": 16, f"{reap.pid}.stderr": 6}
        heard = eventually(lambda: (tmp_path / "heard").read_text().splitlines())
        assert all("last words" in line or "oh no" in line for line in heard), heard
        eventually(lambda: len({line["pid"] for line in told(daemon, name="web", lines=99)["lines"]}) >= 4)
        daemon.call("stop", name="web", waiting=True)
        assert len({line["pid"] for line in told(daemon, name="web", lines=99)["lines"]}) == 4


def test_captured_output_passes_through_unchanged(tmp_path: Path) -> None:
    noise = bytes(range(256)) * 300 + b"\n\nno end"
    (tmp_path / "noise").write_bytes(noise)
    ini = CAPTURE + watcher("web", "cat {dir}/noise", "respawn = false\n")
    with Daemon(tmp_path, ini, arguments=("--log-output", "circusd.messages")) as daemon:
        eventually(lambda: daemon.log_path.stat().st_size >= len(noise))
        assert daemon.log_path.read_bytes() == noise
        # Unfinished lines are told when their worker has ended, or has been silent for a while.
        eventually(lambda: texts(daemon, name="web", lines=1) == ["no end"])
        assert told(daemon, name="web", lines=1)["lines"][0]["offset"] == len(noise) - 6


def test_capture_can_be_switched_on_and_off(tmp_path: Path) -> None:
    with Daemon(tmp_path, watcher("web", writer("line", 0, 0.01), "reload_overlap = 0\n")) as daemon:
        assert daemon.call("tail", name="web")["status"] == "error"
        for _ in range(2):
            assert daemon.call("set", name="web", options={"capture": True}, waiting=True)["status"] == "ok"
            eventually(lambda: len(texts(daemon, name="web")) == 10)
            pid = daemon.pids("web")[0]
            assert daemon.call("set", name="web", options={"capture": False}, waiting=True)["status"] == "ok"
            eventually(lambda pid=pid: pid not in daemon.pids("web"))
            assert "not captured" in daemon.call("tail", name="web")["reason"]
        assert daemon.call("get", name="web", keys=["capture"])["options"] == {"capture": False}


def test_a_stream_can_replace_what_passes_through(tmp_path: Path) -> None:
    with Daemon(tmp_path, CAPTURE + watcher("web", writer("line", 0, 0.01))) as daemon:
        eventually(lambda: len(texts(daemon, name="web")) == 10)
        pid = daemon.pids("web")[0]
        reply = daemon.call("set", name="web", options={"stdout_stream.filename": str(tmp_path / "log")}, waiting=True)
        assert reply["status"] == "ok", reply
        eventually(lambda: (tmp_path / "log").stat().st_size > 100)
        assert daemon.pids("web") == [pid], "it has a pipe already"
        first = int((tmp_path / "log").read_text().split()[1])
        assert f"line {first}\n" not in daemon.log
        assert f"line {first - 1}\n" in daemon.log


def test_nothing_is_published_while_nobody_follows(tmp_path: Path) -> None:
    """Not even to those who listen to everything; while somebody follows, these hear it as well."""
    with (
        Daemon(tmp_path, CAPTURE + watcher("web", writer("line", 0, 0.01))) as daemon,
        follow(daemon, "watcher.") as events,
        contextlib.closing(_everything(daemon)) as everything,
    ):
        daemon.settle()
        eventually(lambda: len(texts(daemon, name="web", lines=100)) == 100)
        assert not any(topic.startswith(b"output.") for topic in _topics(everything))
        with follow(daemon) as follower:
            follower.wait_for("line")
            eventually(lambda: any(topic.startswith(b"output.") for topic in _topics(everything)))
        assert not any(topic.startswith(b"output.") for topic in _topics(events.socket))


def _everything(daemon: Daemon) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = daemon.context.socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(daemon.pubsub_endpoint)
    return socket


def _topics(socket: zmq.Socket[bytes]) -> list[bytes]:
    topics = []
    while socket.poll(20):
        topics.append(socket.recv_multipart()[0])
    return topics


# -- too much ----------------------------------------------------------------------------------------------------


@pytest.mark.alone
@pytest.mark.slow
def test_every_line_of_a_flood_is_heard_or_counted(tmp_path: Path) -> None:
    count = 1_000_000
    go = tmp_path / "go"
    command = writer("line", count, 0.0, 100, 80, str(go), str(tmp_path / "done"))
    more = "stdout_stream.class = FileStream\nstdout_stream.filename = {dir}/log\n"
    with Daemon(tmp_path, watcher("web", command, more)) as daemon, follow(daemon) as follower:
        daemon.settle()
        daemon.call("dstats")
        go.touch()
        last = f"line {count - 1}"
        follower.wait_for(last, 60)
        messages = follower.read()
        stall = daemon.call("dstats")["info"]["loop_stall_max"]
        for before, after in itertools.pairwise(messages):
            assert after["seq"] == before["seq"] + len(before["lines"]) + after["lost"]
        received = sum(len(message["lines"]) for message in messages)
        lost = sum(message["lost"] for message in messages)
        assert received + lost == count
        assert received > 0
        assert lost > 0
        assert all(int(message["lines"][0].split()[1].rstrip(".")) == message["seq"] for message in messages)
        assert stall < 0.25, stall
        assert (tmp_path / "log").stat().st_size == count * 100, "the log has it all"


@pytest.mark.alone
@pytest.mark.slow
def test_a_worker_is_not_slowed_down_by_followers(tmp_path: Path) -> None:
    """Neither by one who reads nor by one who does not. Generous: other tests run beside this one."""
    count = 800_000

    def seconds(directory: Path, *topics: str) -> float:
        directory.mkdir()
        command = writer("line", count, 0.0, 100, 80, f"{directory}/go", f"{directory}/done")
        more = "stdout_stream.class = FileStream\nstdout_stream.filename = /dev/null\n"
        with Daemon(directory, watcher("web", command, more)) as daemon, contextlib.ExitStack() as stack:
            followers = [stack.enter_context(follow(daemon, topic)) for topic in topics]
            daemon.settle()
            (directory / "go").touch()
            done = directory / "done"

            def ended() -> bool:
                for follower in followers[:1]:
                    follower.read(0.05)
                return done.exists()

            eventually(ended, 60)
            return float(done.read_text())

    alone = min(seconds(tmp_path / f"alone{n}") for n in range(2))
    followed = min(seconds(tmp_path / f"followed{n}", "output.", "output.web.") for n in range(2))
    assert followed < alone * 2 + 0.2, (alone, followed)


@pytest.mark.slow
def test_subscribers_that_never_read_cost_bounded_memory(tmp_path: Path) -> None:
    # Several watchers, because of each one not more than five megabytes a second are published.
    more = "stdout_stream.class = FileStream\nstdout_stream.filename = /dev/null\n"
    watchers = "".join(watcher(f"w{number}", writer("line", 0, 0.001, 100, 80), more) for number in range(4))
    with Daemon(tmp_path, watchers) as daemon:
        circusd = psutil.Process(daemon.pid)
        with follow(daemon) as first:
            first.wait_for("line")
        before = circusd.memory_info().rss
        with follow(daemon, RCVHWM=1), follow(daemon, "output.w", RCVHWM=1), follow(daemon) as reader:
            eventually(lambda: _size(reader.read(0.05)) > 40e6, 2 * PATIENCE)
            grown = circusd.memory_info().rss - before
            assert grown < 60e6, f"{grown / 1e6:.0f} MB"
            assert daemon.call("numwatchers")["status"] == "ok"
            with follow(daemon) as another:
                another.wait_for("line")
        assert daemon.call("numwatchers")["status"] == "ok"


def _size(messages: list[dict[str, Any]]) -> int:
    """Bytes of their lines, each of which has a hundred."""
    return sum(100 * len(message["lines"]) for message in messages)


class Choked(Daemon):
    """A daemon whose standard output nobody reads."""

    @property
    def log_path(self) -> Path:
        return self.directory / "stdout"

    @property
    def log(self) -> str:
        path = self.directory / "circusd.messages"
        return path.read_text() if path.exists() else ""


def test_a_terminal_that_takes_nothing_stops_the_worker_and_not_the_daemon(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "stdout")
    reader = os.open(tmp_path / "stdout", os.O_RDONLY | os.O_NONBLOCK)
    try:
        ini = (
            CAPTURE
            + watcher("web", writer("line", 0, 0.0, 100, 80))
            + watcher("job", writer("job", 0, 0.01), "stdout_stream.filename = {dir}/log\n")
        )
        with Choked(tmp_path, ini, arguments=("--log-output", "circusd.messages")) as daemon:
            eventually(lambda: "takes no output" in daemon.log)
            daemon.call("dstats")
            size = (tmp_path / "log").stat().st_size
            eventually(lambda: (tmp_path / "log").stat().st_size > size + 100)
            assert texts(daemon, name="web")
            before = texts(daemon, name="web")
            assert daemon.call("dstats")["info"]["loop_stall_max"] < 5  # if it waited, it would wait for ever
            while not _drain(reader) or texts(daemon, name="web") == before:
                pass  # it is read again, and the worker goes on
    finally:
        os.close(reader)


def _drain(fd: int) -> int:
    try:
        return len(os.read(fd, 1 << 20))
    except BlockingIOError:
        return 0
