"""The examples are run as they are, but for their addresses."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.daemon import Daemon, free_port
from harness.installation import OURS
from harness.waiting import PATIENCE, eventually

ROOT = Path(__file__).resolve().parents[2]
INIS = sorted(str(path.relative_to(ROOT / "examples")) for path in (ROOT / "examples").rglob("*.ini"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory that looks like a checkout."""
    shutil.copytree(
        ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.log*", "__pycache__", "node_modules")
    )
    return tmp_path


def run(checkout: Path, program: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Start one of the programs from a checkout."""
    return subprocess.Popen(
        [sys.executable, f"examples/{program}", *map(str, arguments)],
        cwd=checkout,
        env=OURS.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("name", INIS)
def test_a_check_finds_nothing_wrong(name: str) -> None:
    done = subprocess.run(
        OURS.command("circus.circusd", "--check", f"examples/{name}"),
        cwd=ROOT,
        # What circusd itself imports, it finds as the comment at the head of the file says.
        env=OURS.environment({"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path("examples", name).parent)])}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, f"examples/{name}: ok\n")


@pytest.mark.parametrize("name", INIS)
def test_the_default_endpoints_are_used(name: str) -> None:
    text = (ROOT / "examples" / name).read_text()
    assert "endpoint = tcp://127.0.0.1:5555\npubsub_endpoint = tcp://127.0.0.1:5556\n" in text


def test_the_index_names_them_all_and_nothing_else() -> None:
    text = (ROOT / "examples/README.rst").read_text()
    named = set(re.findall(r"^``(\S+)``", text, re.MULTILINE))
    programs = {path.name for path in (ROOT / "examples").glob("*.py")} - {"plugin_events.py"}
    others = {"nodejs/", "c/listener.c", "bash/listener.sh"}
    assert named == {*INIS, *programs, *others}
    assert all((ROOT / "examples" / name).exists() for name in named)


@pytest.mark.parametrize("name", INIS)
def test_the_head_tells_how_to_run_it(name: str) -> None:
    head = (ROOT / "examples" / name).read_text().partition("\n[")[0]
    assert "From the checkout" in head
    assert re.search(rf"circusd(\.py)? examples/{re.escape(name)}$", head, re.MULTILINE)


def test_on_demand(checkout: Path) -> None:
    port = free_port()
    text = (checkout / "examples/on_demand.ini").read_text()
    assert "port = 8081" in text
    assert "--idle 10" in text
    text = text.replace("port = 8081", f"port = {port}").replace("--idle 10", "--idle 0.3")
    with Daemon(checkout, text) as daemon:
        assert daemon.status("clock") == "stopped"
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
                said = connection.makefile().read()
            assert "says process" in said
            daemon.wait_status("clock", "stopped")
        assert "nobody came for 0.3 s" in daemon.log


def test_hooks(checkout: Path) -> None:
    text = (checkout / "examples/hooks.ini").read_text()
    with Daemon(checkout, text, variables={"TMPDIR": str(checkout)}) as daemon:
        daemon.wait_status("app", "active")
        pids = daemon.pids("app")
        assert len(pids) == 2
        facts = daemon.call("stats", name="app", extended=True)["info"]
        assert all(facts[str(pid)]["descriptors"] >= 3 for pid in pids)
        for pid in pids:
            assert f"app has a new process: {pid}" in daemon.log
        directory = checkout / f"circus-hooks-example-{daemon.pid}"
        assert directory.is_dir()
        daemon.call("stop", name="app", waiting=True)
        assert eventually(lambda: not directory.exists())


def test_a_plugin_that_writes_events(checkout: Path) -> None:
    with Daemon(checkout, (checkout / "examples/plugin_events.ini").read_text()) as daemon:
        daemon.wait_status("plugin:events", "active")
        log = checkout / "examples/events.log"

        def written() -> bool:
            daemon.call("incr", name="sleeper", waiting=True)
            lines = log.read_text().splitlines() if log.exists() else []
            return any(json.loads(line)["action"] == "spawn" for line in lines)

        assert eventually(written, interval=0.1)
        [event, *_] = map(json.loads, log.read_text().splitlines())
        assert {"watcher", "action", "time"} <= set(event)


def test_a_listener(checkout: Path) -> None:
    with Daemon(checkout, "[watcher:My App]\ncmd = sleep 98765\n") as daemon:
        listener = run(checkout, "listener.py", daemon.pubsub_endpoint, "My App")
        assert listener.stdout is not None
        pipe, said = listener.stdout.fileno(), b""
        try:

            def heard() -> bool:
                nonlocal said
                daemon.call("restart", name="My App", waiting=True)
                if select.select([pipe], [], [], 0.1)[0]:
                    said += os.read(pipe, 1 << 16)
                return b" my_app: spawn process_pid " in said  # the first that is heard may be the end of a restart

            assert eventually(heard)
            daemon.call("stop", name="My App", waiting=True)
        finally:
            listener.send_signal(signal.SIGINT)
            _, told = listener.communicate(timeout=PATIENCE)
        assert (listener.returncode, told) == (0, b"")


def test_embedding(checkout: Path) -> None:
    path = checkout / "examples/embed.py"
    text = path.read_text()
    for port in ("5555", "5556"):
        assert f"127.0.0.1:{port}" in text
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    path.write_text(text)
    program = run(checkout, "embed.py", 0.1)
    said, told = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0
    assert b"Traceback" not in told
    lines = said.decode().splitlines()
    assert lines[0] == "running: {'sleeper': 'active', 'python': 'active'}"
    assert lines[1] == "processes of sleeper: 3"
    assert lines[-1] == "stopped: {'sleeper': 'stopped', 'python': 'stopped'}"
