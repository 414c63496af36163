"""The examples in other languages than Python, each run as it is where its language is installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from harness.daemon import Daemon, free_port
from harness.installation import OURS
from harness.waiting import PATIENCE, eventually

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: A name with a blank, a capital, a dot and a letter of two bytes; and what topics make of it.
NAME, TOPIC = "My App.é", "my_app.é"
INI = f"[watcher:{NAME}]\ncmd = sleep 98765432\n"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path / "d", INI, transport="tcp") as daemon:
        yield daemon


@contextmanager
def running(command: list[object], directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A program whose output is a file ``out`` in the directory; killed in the end if need be."""
    with (directory / "out").open("wb") as out, (directory / "err").open("wb") as err:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=directory,
            env=OURS.environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    try:
        yield process
    finally:
        helpers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.wait()
        for helper in helpers:  # bash had no time to end them
            with suppress(psutil.NoSuchProcess):
                helper.kill()
        psutil.wait_procs(helpers, PATIENCE)


def follow(daemon: Daemon, command: list[object], directory: Path) -> None:
    """Run a listener; it must tell of one event after another, and end at once when it is told to."""
    out = directory / "out"
    with running(command, directory) as listener:

        def heard() -> bool:
            daemon.call("incr", name=NAME, waiting=True)
            assert listener.poll() is None, (directory / "err").read_text()
            return "spawn" in out.read_text(encoding="utf-8")

        eventually(heard, interval=0.1)
        daemon.call("stop", name=NAME, waiting=True)
        eventually(lambda: "stop" in out.read_text(encoding="utf-8").splitlines()[-1].partition("{")[0])
        before = out.read_text(encoding="utf-8").count("\n")
        daemon.call("set", name=NAME, options={"numprocesses": 40}, waiting=True)
        daemon.call("start", name=NAME, waiting=True)

        def complete() -> bool:
            new = out.read_text(encoding="utf-8").splitlines()[before:]
            return sum("spawn" in line for line in new) == 40 and "start" in new[-1].replace("restart", "")

        eventually(complete)
        lines = out.read_text(encoding="utf-8").splitlines()
        pids = {json.loads(line[line.index("{") :])["process_pid"] for line in lines if "spawn" in line}
        assert set(daemon.pids(NAME)) <= pids
        assert all(TOPIC in line for line in lines), lines
        listener.send_signal(signal.SIGTERM)
        listener.wait(PATIENCE)


def ask(command: list[object], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        list(map(str, command)),
        cwd=directory,
        env=OURS.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )


# -- Python, without Circus ------------------------------------------------------------------------------------------


def test_python_request(daemon: Daemon, tmp_path: Path) -> None:
    program = [sys.executable, EXAMPLES / "request.py"]
    done = ask([*program, "numprocesses", json.dumps({"name": NAME}), daemon.endpoint], tmp_path)
    assert json.loads(done.stdout)["numprocesses"] == 1
    text = (EXAMPLES / "request.py").read_text()
    assert "import circus" not in text
    assert "tcp://127.0.0.1:5555" in text


# -- Node.js ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of examples/nodejs with its dependency installed as the lock file says."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}")
    directory = tmp_path_factory.mktemp("node") / "nodejs"
    shutil.copytree(EXAMPLES / "nodejs", directory, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        # The package brings the library for the usual systems along; nothing has to be built.
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"npm cannot install zeromq: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return directory


def test_nodejs_listener(daemon: Daemon, node: Path) -> None:
    follow(daemon, ["node", "listener.js", daemon.pubsub_endpoint], node)


def test_nodejs_controller(daemon: Daemon, node: Path) -> None:
    done = ask(["node", "controller.js", daemon.endpoint, NAME, 2], node)
    assert (done.returncode, done.stderr) == (0, "")
    reply = json.loads(done.stdout)
    assert (reply["status"], reply["numprocesses"]) == ("ok", 3)
    assert len(daemon.pids(NAME)) == 3


def test_nodejs_controller_tells_errors(daemon: Daemon, node: Path) -> None:
    done = ask(["node", "controller.js", daemon.endpoint, "nobody"], node)
    assert done.returncode == 1
    assert json.loads(done.stdout)["reason"] == "program nobody not found"
    nowhere = f"tcp://127.0.0.1:{free_port()}"
    text = (node / "controller.js").read_text()
    assert "receiveTimeout: 5000" in text
    (node / "hasty.js").write_text(text.replace("receiveTimeout: 5000", "receiveTimeout: 50"))
    done = ask(["node", "hasty.js", nowhere], node)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"no answer from {nowhere}\n")


def test_nodejs_request(daemon: Daemon, node: Path) -> None:
    done = ask(["node", "request.js", "numprocesses", json.dumps({"name": NAME}), daemon.endpoint], node)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["numprocesses"] == 1


def test_nodejs_files_name_no_registry() -> None:
    text = (EXAMPLES / "nodejs/package-lock.json").read_text()
    assert "resolved" not in text
    assert "http" not in text
    assert '"zeromq"' in (EXAMPLES / "nodejs/package.json").read_text()


# -- C ---------------------------------------------------------------------------------------------------------------


def test_c_listener(daemon: Daemon, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    header = subprocess.run([compiler, "-E", "-"], input=b"#include <zmq.h>\n", capture_output=True, check=False)
    if header.returncode:
        pytest.skip("no zmq.h (Debian: libzmq3-dev)")
    program = tmp_path / "listener"
    subprocess.run(
        [compiler, "-Wall", "-Wextra", "-Werror", "-o", program, EXAMPLES / "c/listener.c", "-lzmq"], check=True
    )
    follow(daemon, [program, daemon.pubsub_endpoint], tmp_path)
    done = ask([program, "nonsense"], tmp_path)
    assert (done.returncode, done.stderr) == (1, "nonsense: Invalid argument\n")


# -- bash ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bash() -> list[object]:
    for program in ("bash", "od", "stdbuf"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program}")
    return ["bash", EXAMPLES / "bash/listener.sh"]


def port_of(endpoint: str) -> str:
    return endpoint.rpartition(":")[2]


def test_bash_listener(daemon: Daemon, tmp_path: Path, bash: list[object]) -> None:
    follow(daemon, [*bash, "127.0.0.1", port_of(daemon.pubsub_endpoint)], tmp_path)


def test_bash_listener_of_one_topic(daemon: Daemon, tmp_path: Path, bash: list[object]) -> None:
    topic = f"watcher.{TOPIC}.st"
    with running([*bash, "127.0.0.1", port_of(daemon.pubsub_endpoint), topic], tmp_path):

        def heard() -> bool:
            daemon.call("restart", name=NAME, waiting=True)
            return "\n" in (tmp_path / "out").read_text()

        eventually(heard, interval=0.1)
    names = {line.partition(": ")[0] for line in (tmp_path / "out").read_text().splitlines()}
    assert names <= {f"watcher.{TOPIC}.start", f"watcher.{TOPIC}.stop"}


def test_bash_listener_ends_with_the_daemon(daemon: Daemon, tmp_path: Path, bash: list[object]) -> None:
    with running([*bash, "127.0.0.1", port_of(daemon.pubsub_endpoint)], tmp_path) as listener:

        def heard() -> bool:
            daemon.call("incr", name=NAME, waiting=True)
            return "spawn" in (tmp_path / "out").read_text()

        eventually(heard, interval=0.1)
        daemon.call("quit")
        assert listener.wait(PATIENCE) == 0
    assert "Error" not in (tmp_path / "err").read_text()
    lines = (tmp_path / "out").read_text().splitlines()
    assert all(json.loads(line.partition(": ")[2]) for line in lines)


def test_bash_listener_with_nobody_there(tmp_path: Path, bash: list[object]) -> None:
    done = ask([*bash, "127.0.0.1", free_port()], tmp_path)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr


def test_bash_listener_takes_long_frames(tmp_path: Path, bash: list[object]) -> None:
    """A publisher of our own: circusd has no event that long."""
    import zmq

    with zmq.Context() as context, context.socket(zmq.XPUB) as events:
        events.linger = 0
        port = events.bind_to_random_port("tcp://127.0.0.1")
        with running([*bash, "127.0.0.1", port], tmp_path):
            assert events.poll(PATIENCE * 1000)
            assert events.recv() == b"\x01watcher."
            for size in (0, 1, 255, 256, 5000):
                events.send_multipart([b"watcher.a.b", b"\\" * size])
            eventually(lambda: (tmp_path / "out").read_text().count("\n") == 5)
    assert [len(line) - len("watcher.a.b: ") for line in (tmp_path / "out").read_text().splitlines()] == [
        0, 1, 255, 256, 5000,
    ]  # fmt: skip
