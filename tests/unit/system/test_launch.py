"""Starting programs: the same promises on each of the three ways, and what each of them is for."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import signal
import socket
import stat
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from circus.system import childexec, launch
from circus.system.launch import DEVNULL, Launch, Started, find_program, read_setup, start
from harness.waiting import eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
NOBODY = 65534

#: What makes :func:`start` take each way.
WAYS = {
    "posix_spawn": (True, {}),
    "popen": (False, {}),
    "exec program": (True, {"rlimits": {"CORE": 0}}),
    "exec program by popen": (False, {"rlimits": {"CORE": 0}}),
}


class Children:
    """Starts children and sees to their end."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def start(self, launch: Launch, sealed: bool = False) -> int:
        """Pid of a child whose program runs already."""
        started = start(launch, sealed=sealed)
        self.pids.append(started.pid)
        assert setup_text(started) is None
        # The kernel lets us go on in the midst of the exec; it is over once there is a command line.
        eventually(Path(f"/proc/{started.pid}/cmdline").read_bytes)
        return started.pid

    def __call__(self, way: str, *argv: str, **fields: Any) -> int:
        sealed, extra = WAYS[way]
        return self.start(Launch(argv=argv or ("sleep", "60"), **{**extra, **fields}), sealed)

    def end(self) -> None:
        for pid in self.pids:
            os.killpg(pid, signal.SIGKILL)  # with what a script of it started
            os.waitpid(pid, 0)


def setup_text(started: Started) -> str | None:
    return None if started.setup_fd is None else read_setup(started.setup_fd)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[Children]:
    monkeypatch.setattr(launch, "_sealed", False)  # restored: sealing is for the life of a process
    launch.seal_inherited_fds()
    found = Children()
    yield found
    found.end()


def descriptors(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def has_exactly(pid: int, wanted: set[int]) -> bool:
    """Whether a child has these descriptors, once its loader is through with the libraries."""
    return eventually(lambda: descriptors(pid) == wanted)


def status_of(pid: int, field: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(field + ":"))


def environ_of(pid: int) -> dict[bytes, bytes]:
    items = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(item.split(b"=", 1) for item in items if item)


def failure_of(launch_record: Launch) -> str:
    """The text of a set-up that cannot work; the child has ended by itself."""
    started = start(launch_record)
    text = setup_text(started)
    assert os.waitstatus_to_exitcode(os.waitpid(started.pid, 0)[1]) == 127
    assert text is not None
    return text


def make_program(directory: Path, name: str, text: str = "#!/bin/sh\nsleep 60\n") -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("way", WAYS)
class TestEveryWay:
    def test_descriptors_above_2_are_closed(self, children: Children, way: str) -> None:
        managed = socket.socket()
        managed.set_inheritable(True)
        launch.register_inheritable(managed.fileno())
        try:
            assert has_exactly(children(way), {0, 1, 2})
        finally:
            launch.unregister_inheritable(managed.fileno())
            managed.close()

    def test_passed_descriptors_keep_their_numbers(self, children: Children, way: str) -> None:
        with open(os.devnull, "rb") as shy, open(os.devnull, "rb") as bold:
            os.set_inheritable(bold.fileno(), True)
            launch.register_inheritable(bold.fileno())
            fds = shy.fileno(), bold.fileno()
            assert has_exactly(children(way, pass_fds=fds), {0, 1, 2, *fds})
            assert not os.get_inheritable(shy.fileno())
            launch.unregister_inheritable(bold.fileno())

    def test_leads_a_session_of_its_own(self, children: Children, way: str) -> None:
        pid = children(way)
        assert os.getsid(pid) == os.getpgid(pid) == pid

    def test_signals_are_neither_blocked_nor_ignored(self, children: Children, way: str) -> None:
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        try:
            pid = children(way)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
        assert int(status_of(pid, "SigBlk"), 16) == 0
        ignored = int(status_of(pid, "SigIgn"), 16)
        assert not ignored & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1))

    def test_environment_is_exactly_the_one_given(self, children: Children, way: str) -> None:
        assert environ_of(children(way, env={"A": "1 2", "B": "ä="})) == {b"A": b"1 2", b"B": "ä=".encode()}

    def test_an_empty_environment_is_empty(self, children: Children, way: str) -> None:
        assert environ_of(children(way)) == {}

    def test_program_is_searched_on_the_path_of_the_child(
        self, children: Children, way: str, tmp_path: Path
    ) -> None:
        make_program(tmp_path / "bin", "only-here")
        pid = children(way, "only-here", env={"PATH": f"{tmp_path}/none:{tmp_path}/bin:/bin"})
        path = str(tmp_path / "bin" / "only-here").encode()
        eventually(lambda: path in Path(f"/proc/{pid}/cmdline").read_bytes())

    def test_first_word_may_differ_from_the_program(self, children: Children, way: str) -> None:
        pid = children(way, "web: worker 1", "60", executable="/bin/sleep")
        assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"web: worker 1\x0060\0"

    def test_null_device(self, children: Children, way: str) -> None:
        pid = children(way, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)} == {os.devnull}

    def test_pipe_and_copy_of_standard_output(self, children: Children, way: str) -> None:
        ours, theirs = os.pipe()
        try:
            children(way, "sh", "-c", "echo out; echo err >&2; exec sleep 60", stdout=theirs, stderr=theirs)
            got = b""
            while len(got) < 8:
                got += os.read(ours, 100)
            assert got == b"out\nerr\n"
        finally:
            os.close(ours)
            os.close(theirs)

    def test_working_directory(self, children: Children, way: str, tmp_path: Path) -> None:
        pid = children(way, cwd=str(tmp_path))
        assert os.readlink(f"/proc/{pid}/cwd") == str(tmp_path)

    def test_nobody_waits_for_the_child(self, children: Children, way: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            pid = children(way)
            gc.collect()
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
        children.pids.remove(pid)


@pytest.mark.parametrize("sealed", [True, False])
class TestFailures:
    def test_missing_program(self, sealed: bool) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            start(Launch(("nope",)), sealed=sealed)
        assert str(caught.value) == "[Errno 2] No such file or directory: 'nope'"

    def test_program_that_may_not_be_executed(self, sealed: bool, tmp_path: Path) -> None:
        make_program(tmp_path, "secret").chmod(0o600)
        with pytest.raises(PermissionError, match="secret"):
            start(Launch(("secret",), env={"PATH": str(tmp_path)}), sealed=sealed)

    def test_missing_directory(self, sealed: bool, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            start(Launch(("true",), cwd=f"{tmp_path}/nope"), sealed=sealed)
        assert caught.value.filename == f"{tmp_path}/nope"

    def test_script_without_interpreter_line(self, sealed: bool, tmp_path: Path) -> None:
        script = make_program(tmp_path, "script", "echo no\n")
        with pytest.raises(OSError) as caught:
            start(Launch((str(script),)), sealed=sealed)
        assert caught.value.errno == errno.ENOEXEC

    def test_empty_command(self, sealed: bool) -> None:
        with pytest.raises(ValueError, match="empty"):
            start(Launch(()), sealed=sealed)

    def test_null_byte(self, sealed: bool) -> None:
        with pytest.raises(ValueError, match="null"):
            start(Launch(("true", "a\0b")), sealed=sealed)


class TestSearch:
    def test_without_path_the_default_is_searched(self) -> None:
        assert find_program("sh", {}) in ("/bin/sh", "/usr/bin/sh")

    def test_a_program_that_vanished_is_searched_again(self, children: Children, tmp_path: Path) -> None:
        first, second = make_program(tmp_path / "a", "prog"), make_program(tmp_path / "b", "prog")
        env = {"PATH": f"{tmp_path}/a:{tmp_path}/b:/bin:/usr/bin"}
        children("posix_spawn", "prog", env=env)
        first.rename(tmp_path / "moved")
        pid = children("posix_spawn", "prog", env=env)
        # The shell that runs the script read its own name before; what counts is where the script is.
        eventually(lambda: str(second).encode() in Path(f"/proc/{pid}/cmdline").read_bytes())
        second.unlink()
        with pytest.raises(FileNotFoundError, match="'prog'"):
            start(Launch(("prog",), env=env), sealed=True)

    def test_a_new_version_is_found_after_a_moment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, env = make_program(tmp_path / "b", "prog"), {"PATH": f"{tmp_path}/a:{tmp_path}/b"}
        assert find_program("prog", env) == str(old)
        new = make_program(tmp_path / "a", "prog")
        real = launch.time.monotonic
        monkeypatch.setattr(launch.time, "monotonic", lambda: real() + 2)
        assert find_program("prog", env) == str(new)

    def test_directories_are_no_programs(self, tmp_path: Path) -> None:
        (tmp_path / "prog").mkdir()
        with pytest.raises(PermissionError):
            find_program("prog", {"PATH": str(tmp_path)})


class TestDescriptors:
    def test_sealing_spares_what_is_registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(launch, "_sealed", False)
        leaked, managed = os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_RDONLY)
        for fd in (leaked, managed):
            os.set_inheritable(fd, True)
        launch.register_inheritable(managed)
        assert {leaked, managed} <= set(launch.inheritable_fds())
        launch.seal_inherited_fds()
        try:
            assert launch.is_sealed()
            assert (os.get_inheritable(leaked), os.get_inheritable(managed)) == (False, True)
            assert leaked not in launch.inheritable_fds()
        finally:
            launch.unregister_inheritable(managed)
            os.close(leaked)
            os.close(managed)

    def test_zeromq_and_asyncio_leave_nothing_inheritable(self) -> None:
        """What ``sealed`` relies on in circusd, where both are at work when most workers start."""
        before = launch.inheritable_fds()
        loop, context = asyncio.new_event_loop(), zmq.Context()
        router = context.socket(zmq.ROUTER)
        router.bind("tcp://127.0.0.1:*")
        dealer = context.socket(zmq.DEALER)
        dealer.connect(router.last_endpoint)
        dealer.send(b"x")
        try:
            assert router.recv_multipart()[1] == b"x"
            assert launch.inheritable_fds() == before
        finally:
            context.destroy(0)
            loop.close()

    def test_standard_error_into_standard_output(self, children: Children) -> None:
        ours, theirs = os.pipe()
        try:
            pid = children("posix_spawn", stdout=theirs, stderr=2)
            assert os.readlink(f"/proc/{pid}/fd/1") == os.readlink(f"/proc/self/fd/{theirs}")
            pid = children("posix_spawn", stdin=1)
            assert os.readlink(f"/proc/{pid}/fd/0") == os.readlink("/proc/self/fd/1")
        finally:
            os.close(ours)
            os.close(theirs)

    def test_listen_fds_begin_at_3(self, children: Children) -> None:
        with socket.socket() as first, socket.socket() as second:
            fds = (second.fileno(), first.fileno())
            pid = children.start(Launch(("sleep", "60"), env={"LISTEN_FDS": "2"}, listen_fds=fds))
            assert has_exactly(pid, {0, 1, 2, 3, 4})
            places = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (3, 4)]
            assert places == [os.readlink(f"/proc/self/fd/{fd}") for fd in fds]
            assert environ_of(pid) == {b"LISTEN_FDS": b"2", b"LISTEN_PID": str(pid).encode()}

    @pytest.mark.parametrize("order", [(3, 4, 5), (5, 4, 3), (4, 9, 3)])
    def test_listen_fds_may_lie_in_each_others_way(self, order: tuple[int, ...]) -> None:
        """In a forked process, as the numbers of this one are taken."""
        result, report = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.dup2(report, 200)  # numbers that are not taken by whatever this process has open
                files = {fd: os.memfd_create(f"file-{fd}") for fd in order}
                for fd, file in files.items():
                    os.dup2(file, fd + 300)
                for fd in order:
                    os.dup2(fd + 300, fd)
                os.dup2(200, 8)
                place = childexec.place_listen_fds(order, 8)
                found = [os.readlink(f"/proc/self/fd/{fd}") for fd in (3, 4, 5)]
                assert not os.get_inheritable(place)
                assert all(f"file-{fd}" in name for fd, name in zip(order, found, strict=True))
                os.write(place, b"right")
            finally:
                os._exit(0)
        os.close(report)
        assert os.read(result, 10) == b"right"
        os.close(result)
        os.waitpid(pid, 0)


class TestLimits:
    def test_one_number_is_soft_and_hard(self, children: Children) -> None:
        pid = children.start(Launch(("sleep", "60"), rlimits={"NOFILE": 50, "CORE": (0, 10)}))
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (50, 50)
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 10)

    def test_infinite_open_files_fall_back_to_the_hard_limit(self, children: Children) -> None:
        pid = children.start(Launch(("sleep", "60"), rlimits={"NOFILE": -1}))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (hard, hard)

    def test_unknown_name(self) -> None:
        assert failure_of(Launch(("true",), rlimits={"FOO": 1})) == 'unknown rlimit "foo"'

    def test_refused_value(self) -> None:
        assert 'rlimit "core" of 5:3 refused' in failure_of(Launch(("true",), rlimits={"CORE": (5, 3)}))

    def test_missing_program_is_reported_as_elsewhere(self) -> None:
        text = failure_of(Launch(("nope",), rlimits={"CORE": 0}))
        assert text == "[Errno 2] No such file or directory: 'nope'"

    def test_missing_interpreter_leaves_nothing_behind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = descriptors(os.getpid())
        monkeypatch.setattr(sys, "executable", "/nonexistent/python")
        with pytest.raises(FileNotFoundError):
            start(Launch(("true",), rlimits={"CORE": 0}))
        assert descriptors(os.getpid()) == before

    def test_bad_environment_is_refused_before_anything_starts(self) -> None:
        with pytest.raises(ValueError, match="A=B"):
            start(Launch(("true",), rlimits={"CORE": 0}, env={"A=B": "1"}))

    def test_a_large_environment(self, children: Children) -> None:
        env = {f"V{number}": "x" * 10_000 for number in range(30)}
        assert len(environ_of(children("exec program", env=env))) == 30


class TestIdentity:
    def test_our_own_identity_needs_nothing(self, children: Children) -> None:
        ours = {"uid": os.getuid(), "gid": os.getgid(), "groups": tuple(os.getgroups())}
        started = start(Launch(("sleep", "60"), **ours))
        children.pids.append(started.pid)
        assert started.setup_fd is None

    @as_root
    def test_another_user(self, children: Children) -> None:
        pid = children.start(Launch(("sleep", "60"), uid=NOBODY, gid=NOBODY, groups=(7, 8)))
        assert status_of(pid, "Uid").split() == [str(NOBODY)] * 4
        assert status_of(pid, "Gid").split() == [str(NOBODY)] * 4
        assert status_of(pid, "Groups").split() == ["7", "8"]

    @as_root
    def test_another_user_never_keeps_the_groups_of_root(self, children: Children) -> None:
        with_group = children.start(Launch(("sleep", "60"), uid=NOBODY, gid=NOBODY))
        assert status_of(with_group, "Groups") == str(NOBODY)
        without = children.start(Launch(("sleep", "60"), uid=NOBODY))
        assert status_of(without, "Groups") == ""

    @as_root
    def test_group_0_is_a_group(self, children: Children) -> None:
        os.setegid(NOBODY)
        try:
            pid = children.start(Launch(("sleep", "60"), gid=0))
        finally:
            os.setegid(0)
        assert status_of(pid, "Gid").split() == ["0"] * 4

    @as_root
    def test_program_is_searched_with_the_rights_of_the_child(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        make_program(closed, "prog")
        closed.chmod(stat.S_IRWXU)
        text = failure_of(Launch(("prog",), uid=NOBODY, gid=NOBODY, env={"PATH": str(closed)}))
        assert text == "[Errno 13] Permission denied: 'prog'"

    @as_root
    def test_who_is_not_root_cannot_become_another(self) -> None:
        result, report = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                childexec.change_identity(0, 0, None)
            except PermissionError as error:
                os.write(report, str(error).encode())
            finally:
                os._exit(0)
        os.close(report)
        text = os.read(result, 1000).decode()
        os.close(result)
        os.waitpid(pid, 0)
        assert text == (
            f"cannot change the group to 0: [Errno 1] Operation not permitted (circusd runs as uid {NOBODY})"
        )
