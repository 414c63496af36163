"""The tools of the other tests: they find what is left behind, and the programs in tests/children keep their word."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import threading
from pathlib import Path

import psutil
import pytest

from harness import PATIENCE, child_command, eventually
from harness.leaks import Snapshot, assert_nothing_left
from harness.processes import descendant_pids, is_ending


@pytest.fixture
def run():
    """Starts programs of tests/children; kills them and their descendants afterwards."""
    started = []

    def start(name, *arguments, **options):
        started.append(subprocess.Popen(shlex.split(child_command(name, *arguments)), **options))
        return started[-1]

    yield start
    for process in started:
        for pid in descendant_pids(process.pid):
            subprocess.run(["kill", "-9", str(pid)], check=False, stderr=subprocess.DEVNULL)
        process.kill()
        process.wait()


def test_a_condition_that_never_holds_is_an_error_with_the_last_reason():
    def check():
        assert 1 == 2, "not yet"

    with pytest.raises(AssertionError, match=r"not within 0\.05 s: not yet"):
        eventually(check, 0.05)


def test_a_process_left_behind_is_found_and_killed():
    before = Snapshot.take()
    left = subprocess.Popen(["sleep", "98765432"])
    with pytest.raises(AssertionError, match=r"processes left behind:\npid .* sleep 98765432"):
        assert_nothing_left(before)
    assert left.wait(PATIENCE) is not None


def test_an_orphan_cannot_hide(tmp_path, run):
    before = Snapshot.take()
    parent = run("forks_grandchild", tmp_path / "pids", 1, "leave")
    parent.wait(PATIENCE)
    with pytest.raises(AssertionError, match="processes left behind"):
        assert_nothing_left(before)


def test_who_was_killed_is_ending_and_nobody_else(run):
    assert not is_ending(psutil.Process())
    process = run("ignores_term")
    assert not is_ending(psutil.Process(process.pid))
    process.kill()
    eventually(lambda: is_ending(psutil.Process(process.pid)), interval=0)  # it is not waited for
    process.wait()


def test_a_descriptor_left_open_is_found():
    before = Snapshot.take()
    with socket.socket(), pytest.raises(AssertionError, match=r"descriptors left open: .*socket"):
        assert_nothing_left(before, deadline=0.05)


def test_a_thread_left_running_is_found():
    before = Snapshot.take()
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    with pytest.raises(AssertionError, match="threads left running"):
        assert_nothing_left(before, deadline=0.05)
    end.set()
    thread.join()


def test_a_listener_left_behind_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = Snapshot.take()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind("door")
    listening.listen()
    before.descriptors[listening.fileno()] = "known"
    with pytest.raises(AssertionError, match=r"somebody still listens on .*door"):
        assert_nothing_left(before, tmp_path, deadline=0.05)
    listening.close()
    assert_nothing_left(before, tmp_path)


# -- tests/children --------------------------------------------------------------------------------------------


def content(path: Path) -> str:
    return eventually(lambda: path.exists() and path.read_text())


def test_a_program_that_ignores_signals(tmp_path, run):
    process = run("ignores_term", tmp_path / "ready", "TERM,INT")
    assert content(tmp_path / "ready") == str(process.pid)
    process.terminate()
    process.send_signal(2)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)


def test_a_family(tmp_path, run):
    process = run("forks_grandchild", tmp_path / "pids", 3)
    pids = [int(word) for word in content(tmp_path / "pids").split()]
    assert pids[0] == process.pid
    assert len(pids) == 4
    assert set(descendant_pids(process.pid)) == set(pids[1:])


def test_a_flood(tmp_path, run):
    process = run("floods_stdout", 1_000_000, tmp_path / "ready", 50, stdout=subprocess.PIPE)
    lines = process.stdout.read(1_000_000).splitlines()
    assert [int(line) for line in lines] == list(range(20_000))
    process.stdout.close()


def test_text_in_pieces(tmp_path, run):
    process = run("splits_utf8", "é\\n日本", 1, tmp_path / "ready", stdout=subprocess.PIPE)
    pieces = [os.read(process.stdout.fileno(), 100) for _ in range(9)]
    assert b"".join(pieces).decode() == "é\n日本"
    assert pieces == [bytes([each]) for each in "é\n日本".encode()]
    process.stdout.close()


def test_last_words(tmp_path, run):
    process = run("prints_last_words", tmp_path / "ready", 100_000, stdout=subprocess.PIPE)
    content(tmp_path / "ready")
    process.terminate()
    assert process.communicate(timeout=PATIENCE)[0] == b"x" * 100_000 + b"last words\n"
    assert process.returncode == 3


@pytest.mark.parametrize(("code", "status"), [("0", 0), ("7", 7), ("-9", -9), ("-6", -6)])
def test_an_early_end(tmp_path, run, code, status):
    process = run("exits_at_once", code, tmp_path / "trace", cwd=tmp_path)
    assert process.wait(PATIENCE) == status
    assert (tmp_path / "trace").read_text() == f"{process.pid}\n"


def test_caught_signals(tmp_path, run):
    process = run("catches_hup", tmp_path / "trace", tmp_path / "ready", "HUP,USR1")
    content(tmp_path / "ready")
    process.send_signal(1)
    assert content(tmp_path / "trace") == f"{process.pid} SIGHUP\n"


def test_closed_pipes(tmp_path, run):
    process = run("closes_pipes", tmp_path / "ready", "before", stdout=subprocess.PIPE)
    assert process.stdout.read() == b"before\n"
    content(tmp_path / "ready")
    assert process.poll() is None
    process.stdout.close()


def test_a_slow_start(tmp_path, run):
    run("slow_start", 0.2, tmp_path / "ready", tmp_path / "started")
    content(tmp_path / "started")
    content(tmp_path / "ready")
    # By the files, not by a look in between, for which this process may come too late.
    assert (tmp_path / "ready").stat().st_mtime - (tmp_path / "started").stat().st_mtime > 0.1


def test_an_end_on_demand(tmp_path, run):
    process = run("exits_on_file", tmp_path / "go", tmp_path / "ready", 4)
    content(tmp_path / "ready")
    (tmp_path / "go").touch()
    assert process.wait(PATIENCE) == 4
