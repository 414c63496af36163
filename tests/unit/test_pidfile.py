"""The pid file: spec library.md 10, cli.md 1.2; row 72 of the asks of users (lock, clear message, EPERM)."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from circus import pidfile as module
from circus.pidfile import Pidfile
from harness.descriptors import open_descriptors, settled_descriptors


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "circusd.pid")


@pytest.fixture
def dead():
    """The number of a process that just ended."""
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    child.wait()
    return child.pid


@pytest.fixture
def elsewhere(path):
    """Another process that writes the number it is given to the pid file, and holds it until we are done."""
    started = []

    def start(number):
        code = (
            "import sys; from circus.pidfile import Pidfile\n"
            "pidfile = Pidfile(sys.argv[1]); pidfile.create(int(sys.argv[2])); print('held', flush=True)\n"
            "sys.stdin.read()\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code, path, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        started.append(child)
        assert child.stdout.readline() == b"held\n"
        return child

    yield start
    for child in started:
        child.communicate()


def _write(path, content):
    with open(path, "w") as file:
        file.write(content)


def _read(path):
    with open(path) as file:
        return file.read()


def test_the_file_holds_our_number_and_can_be_read_by_all(path):
    previous = os.umask(0o077)
    try:
        pidfile = Pidfile(path)
        assert (pidfile.fname, pidfile.pid, pidfile.perm_mode) == (path, None, 0o644)
        assert pidfile.create(os.getpid()) is None
    finally:
        os.umask(previous)
    assert pidfile.pid == os.getpid()
    assert _read(path) == f"{os.getpid()}\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert pidfile.validate() == os.getpid()
    pidfile.unlink()
    assert not os.path.exists(path)


def test_permissions_are_set_on_a_file_that_was_there(path):
    _write(path, "")
    os.chmod(path, 0o600)
    Pidfile(path).create(os.getpid())
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


def test_our_own_number_is_kept(path):
    first, second = Pidfile(path), Pidfile(path)
    first.create(os.getpid())
    first.create(os.getpid())
    second.create(os.getpid())
    assert _read(path) == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", ["", "garbage", "12 34\n", "-3\n", "0\n", "9" * 30, "1" * 5000])
def test_what_is_no_live_process_is_overwritten(path, content):
    _write(path, content)
    pidfile = Pidfile(path)
    assert pidfile.validate() is None
    pidfile.create(os.getpid())
    assert _read(path) == f"{os.getpid()}\n"


def test_a_dead_process_is_overwritten(path, dead):
    _write(path, f"{dead}\n")
    assert Pidfile(path).validate() is None
    Pidfile(path).create(os.getpid())
    assert _read(path) == f"{os.getpid()}\n"


def test_a_dead_number_that_we_wrote_ourselves_is_overwritten(path, dead):
    first, second = Pidfile(path), Pidfile(path)
    first.create(dead)
    second.create(os.getpid())
    assert _read(path) == f"{os.getpid()}\n"


def test_a_live_process_keeps_the_file(path):
    _write(path, f" {os.getppid()} \n")
    pidfile = Pidfile(path)
    with pytest.raises(RuntimeError) as caught:
        pidfile.create(os.getpid())
    assert str(caught.value) == (
        f"pid file {path!r} is stale, current pid {os.getpid()}: process {os.getppid()} has it, and is alive"
    )
    assert _read(path) == f" {os.getppid()} \n"
    assert pidfile.pid is None
    assert pidfile.validate() == os.getppid()


def test_a_process_that_we_may_not_signal_is_alive(path, monkeypatch):
    def refuse(pid, number):
        raise PermissionError(1, "Operation not permitted")

    _write(path, "1\n")
    monkeypatch.setattr(os, "kill", refuse)
    assert Pidfile(path).validate() == 1
    with pytest.raises(RuntimeError, match="process 1 has it"):
        Pidfile(path).create(os.getpid())


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(RuntimeError) as caught:
        Pidfile(str(tmp_path / "no" / "x.pid")).create(os.getpid())
    assert str(caught.value) == f"{tmp_path}/no doesn't exist. Can't create pidfile"


def test_a_relative_path_is_one_of_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Pidfile("relative").create(os.getpid())
    assert (tmp_path / "relative").read_text() == f"{os.getpid()}\n"


def test_without_a_name_a_temporary_file_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pidfile = Pidfile(None)
    assert pidfile.validate() is None
    pidfile.unlink()
    pidfile.create(os.getpid())
    assert os.path.dirname(pidfile.fname) == str(tmp_path)
    assert _read(pidfile.fname) == f"{os.getpid()}\n"


def test_rename_moves_number_and_lock(path, tmp_path):
    pidfile = Pidfile(path)
    pidfile.create(os.getpid())
    pidfile.rename(str(tmp_path / "other"))
    assert os.listdir(tmp_path) == ["other"]
    assert pidfile.fname == str(tmp_path / "other")
    assert _read(pidfile.fname) == f"{os.getpid()}\n"


@pytest.mark.parametrize(
    ("content", "left"), [("1\n", True), ("-3", True), ("9" * 30, True), ("xx", False), ("", False)]
)
def test_unlink_leaves_the_file_of_another(path, content, left):
    pidfile = Pidfile(path)
    pidfile.create(os.getpid())
    _write(path, content)
    pidfile.unlink()
    assert os.path.exists(path) is left


def test_unlink_never_raises(path, tmp_path, caplog):
    Pidfile(path).unlink()
    Pidfile(str(tmp_path)).unlink()
    assert "was not deleted" in caplog.text


def test_the_lock_is_released_by_unlink_and_with_the_object(path):
    pidfile = Pidfile(path)
    pidfile.create(os.getpid())
    fd = pidfile._lock
    assert not os.get_inheritable(fd)
    pidfile.unlink()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    pidfile.create(os.getpid())
    fd = pidfile._lock
    del pidfile
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_refusal_leaks_no_descriptor(path):
    _write(path, f"{os.getppid()}\n")
    before = settled_descriptors()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            Pidfile(path).create(os.getpid())
    assert open_descriptors() == before


def test_a_second_daemon_is_refused_while_the_first_holds_the_lock(path, dead, elsewhere):
    child = elsewhere(dead)  # the number tells nothing: only the lock does
    with pytest.raises(RuntimeError, match=r"is stale, current pid \d+: another circusd holds its lock$"):
        Pidfile(path).create(os.getpid())
    assert _read(path) == f"{dead}\n"
    child.kill()
    child.wait()
    Pidfile(path).create(os.getpid())
    assert _read(path) == f"{os.getpid()}\n"


def test_a_file_deleted_between_open_and_lock_is_not_used(path, monkeypatch):
    """The first daemon ends and deletes its file just when the second one has opened it."""
    really_lock, deleted = module._lock, []

    def lock(fd):
        if not deleted:
            deleted.append(os.unlink(path))
        return really_lock(fd)

    monkeypatch.setattr(module, "_lock", lock)
    Pidfile(path).create(os.getpid())
    assert deleted
    assert _read(path) == f"{os.getpid()}\n"


def test_a_file_system_without_locks_is_used_without(path, monkeypatch):
    def refuse(fd, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(module.fcntl, "flock", refuse)
    Pidfile(path).create(os.getpid())
    assert _read(path) == f"{os.getpid()}\n"
