"""One worker: its command line, environment, descriptors, end and family."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import psutil
import pytest

import circus.process
from circus.process import DEAD_OR_ZOMBIE, OTHER, RUNNING, UNEXISTING, Process
from circus.sockets import CircusSocket, CircusSockets
from circus.system import launch
from circus.system.reaper import Reaper
from harness.descriptors import open_descriptors, settled_descriptors
from harness.waiting import PATIENCE, eventually

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
PATH = {"PATH": os.environ["PATH"]}


def watcher(**options: Any) -> Any:
    """What a process needs of a watcher."""
    defaults: dict[str, Any] = {
        "name": "web", "optnames": ("numprocesses", "max_age"), "numprocesses": 3, "max_age": 5,
        "_options": {}, "circus_env": True, "listen_fds": False, "login_env": False, "stdin_socket": None,
        "shell_args": None, "sockets": CircusSockets(),
    }  # fmt: skip
    made = SimpleNamespace(**{**defaults, **options})
    made._get_sockets_fds = lambda: {name: sock.fileno() for name, sock in made.sockets.items()}
    made._get_stdin_socket_fd = lambda: (
        None if made.stdin_socket is None else made._get_sockets_fds()[made.stdin_socket.lower()]
    )
    return made


Make = Callable[..., Process]


@pytest.fixture
def make() -> Iterator[Make]:
    """Make processes that are gone when the test is over."""
    made: list[Process] = []

    def start(cmd: str = "sleep 60", **options: Any) -> Process:
        options.setdefault("env", PATH)
        process = Process("web", options.pop("wid", 1), cmd, **options)
        made.append(process)
        return process

    yield start
    for process in made:
        if process._child is not None:
            if process.setup_fd is not None:
                os.close(process.setup_fd)
            if process.is_alive():
                process.send_signal(signal.SIGKILL)
            process.wait()
            process.stop()


@pytest.fixture
def sockets() -> Iterator[CircusSockets]:
    made = CircusSockets()
    made.add("web", port=0)
    made.add("admin-2.x", port=0)
    made.bind_and_listen_all()
    yield made
    made.close_all()


def words(cmd: str, args: Any = None, **options: Any) -> list[str]:
    sockets_fds = options.pop("sockets_fds", None)
    process = Process("web", options.pop("wid", 1), cmd, args, spawn=False, **options)
    return process.format_args(sockets_fds)


def output_of(process: Process) -> bytes:
    assert process.stdout is not None
    return process.stdout.readall() or b""


def environment_of(process: Process) -> dict[str, str]:
    """That of a program that is, or becomes, a sleep: nothing that stands before it on the way."""
    path = Path(f"/proc/{process.pid}")
    eventually(lambda: (path / "cmdline").read_bytes().partition(b"\0")[0].endswith(b"sleep"))
    return dict(item.split("=", 1) for item in (path / "environ").read_text().split("\0") if item)


def is_ours(pid: int) -> bool:
    """Whether a process is our child; one that has ended is collected and no longer is."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return False


def files_of(process: Process, wanted: set[int]) -> dict[int, str]:
    """Where the descriptors of a child lead, once it has just those that are wanted."""
    directory = f"/proc/{process.pid}/fd"
    eventually(lambda: {int(fd) for fd in os.listdir(directory)} == wanted)
    return {fd: os.readlink(f"{directory}/{fd}") for fd in wanted}


class TestCommandLine:
    def test_variables(self) -> None:
        env = {"type": "macchiato"}
        got = words("make-me-a-coffee", "$(circus.wid) --type $(circus.env.type)", env=env)
        assert got == ["make-me-a-coffee", "1", "--type", "macchiato"]

    @pytest.mark.parametrize(
        ("cmd", "args", "options", "expected"),
        [
            ("yeah $(CIRCUS.WID)", None, {}, ["yeah", "1"]),
            ("yeah ((circus.wid))", None, {}, ["yeah", "1"]),
            ("a", ["x $(circus.wid)", "b c"], {"wid": 2}, ["a", "x 2", "b c"]),
            ("a", ("x y",), {}, ["a", "x y"]),
            ("a", [1, 2], {}, ["a", "1", "2"]),
            ("a", 5, {}, ["a", "5"]),
            ("a", "", {}, ["a"]),
            ("", None, {}, []),
            ("echo a", "'b c' d", {}, ["echo", "a", "b c", "d"]),
            ("echo a", "'b c' d", {"shell": True}, ["echo a 'b c' d"]),
            ("echo $HOME; ls", None, {"shell": True}, ["echo '$HOME;' ls"]),
            ("a", ["x y", "z"], {"shell": True}, ["a 'x y' z"]),
            ("echo $(circus.env.x)", None, {"env": {"x": "A B"}}, ["echo", "A", "B"]),
            ("a $(circus.nope) $(circus.name)", None, {}, ["a", "$(circus.nope)", "$(circus.name)"]),
            ("a $(circus.rlimits.nofile)", None, {"rlimits": {"nofile": 3}}, ["a", "3"]),
            ("a $(circus.uid) $(circus.use_fds)", None, {}, ["a", "None", "False"]),
            ("a $(circus.shell)", "$(circus.executable)", {"executable": "b"}, ["a", "False", "b"]),
        ],
    )
    def test_words(self, cmd: str, args: Any, options: dict[str, Any], expected: list[str]) -> None:
        assert words(cmd, args, **options) == expected

    @pytest.mark.parametrize(
        "form",
        ["$(circus.sockets.web)", "((circus.sockets.WEB))", "${socket:web}", "${circus.sockets.web}"],
    )
    def test_sockets(self, form: str) -> None:
        assert words(f"a --fd {form}", sockets_fds={"web": 7}) == ["a", "--fd", "7"]

    def test_socket_names_with_dots_and_dashes(self) -> None:
        assert words("a $(circus.sockets.admin-2.x)", sockets_fds={"admin-2.x": 7}) == ["a", "7"]

    def test_options_of_the_watcher(self) -> None:
        extra = watcher(optnames=("numprocesses", "colour"), _options={"colour": "red"})
        assert words("a $(circus.numprocesses) $(circus.colour)", watcher=extra) == ["a", "3", "red"]

    @pytest.mark.parametrize(("cmd", "args"), [("a $WID", None), ("a", "$WID"), ("a", ["$WID"])])
    def test_the_old_wid(self, cmd: str, args: Any) -> None:
        with pytest.warns(DeprecationWarning, match=r"\$WID"):
            assert words(cmd, args, wid=4) == ["a", "4"]

    def test_names_that_only_begin_like_the_old_wid(self) -> None:
        assert words("a $WIDTH") == ["a", "$WIDTH"]

    def test_shell_args(self) -> None:
        assert words("foo --fd", shell=True, watcher=watcher(shell_args="bar 'baz q' $(circus.wid)")) == [
            "foo --fd", "bar", "baz q", "1",
        ]  # fmt: skip
        listed = watcher(shell_args=["x y", "z"])
        assert words("foo", shell=True, watcher=listed) == ["foo", "x y", "z"]

    def test_shell_args_without_a_shell(self) -> None:
        with mock.patch("circus.logger.warn") as warn:
            assert words("foo --fd", watcher=watcher(shell_args="bar")) == ["foo", "--fd"]
        warn.assert_called_once_with("shell_args is defined but won't be used in this context: %s", "bar")

    def test_windows_splits_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(circus.process, "IS_WINDOWS", True)
        assert words(r"C:\a\b.exe 'c d'") == [r"C:\a\b.exe", "'c d'"]
        monkeypatch.setattr(circus.process, "IS_WINDOWS", False)
        assert words(r"a\ b 'c d'") == ["a b", "c d"]

    def test_open_quotation(self) -> None:
        with pytest.raises(ValueError, match="No closing quotation"):
            words("a 'b")


class TestStart:
    def test_environment_is_exactly_the_one_given(self, make: Make) -> None:
        assert environment_of(make("/bin/sleep 60", env={"A": "1"})) == {"A": "1"}

    def test_no_environment_means_an_empty_one(self, make: Make) -> None:
        assert environment_of(make("/bin/sleep 60", env=None)) == {}

    def test_a_worker_knows_who_it_is(self, make: Make) -> None:
        process = make("/bin/sleep 60", env={"A": "1"}, watcher=watcher(), wid=3)
        assert environment_of(process) == {"A": "1", "CIRCUS_WATCHER": "web", "CIRCUS_WID": "3"}
        assert process.env == {"A": "1"}

    def test_identity_can_be_switched_off(self, make: Make) -> None:
        assert environment_of(make("/bin/sleep 60", env={}, watcher=watcher(circus_env=False))) == {}

    def test_identity_that_was_inherited_is_replaced(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CIRCUS_WATCHER", "outer")
        env = {"CIRCUS_WATCHER": "outer", "CIRCUS_WID": "mine"}
        found = environment_of(make("/bin/sleep 60", env=env, watcher=watcher()))
        assert found == {"CIRCUS_WATCHER": "web", "CIRCUS_WID": "mine"}

    def test_program_is_searched_on_the_path_of_the_child(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "only-here").symlink_to("/bin/sleep")
        assert make("only-here 60", env={"PATH": str(tmp_path)}).is_alive()
        with pytest.raises(FileNotFoundError, match="'only-here'"):
            make("only-here 60")

    def test_missing_program(self, make: Make) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            make("nope")
        assert str(caught.value) == "[Errno 2] No such file or directory: 'nope'"

    def test_missing_directory(self, make: Make) -> None:
        with pytest.raises(FileNotFoundError, match="'/nope'"):
            make(working_dir="/nope")

    def test_empty_command(self, make: Make) -> None:
        with pytest.raises(ValueError, match="empty"):
            make("")

    def test_unknown_user_and_group(self, make: Make) -> None:
        with pytest.raises(ValueError, match="12345 isn't a valid user id"):
            make(uid=12345)
        with pytest.raises(ValueError, match="No such group: 'nope'"):
            make(gid="nope")

    def test_failures_leave_no_descriptor(self, make: Make) -> None:
        before = settled_descriptors()
        for options in ({"cmd": "nope"}, {"rlimits": {"foo": 1}}, {"cmd": "a 'b"}):
            with pytest.raises(Exception, match=r"nope|foo|quotation"):
                make(**options)
        assert open_descriptors() == before

    def test_working_directory(self, make: Make, tmp_path: Path) -> None:
        process = make(working_dir=str(tmp_path))
        assert os.readlink(f"/proc/{process.pid}/cwd") == str(tmp_path)
        assert make().working_dir == os.getcwd()

    def test_our_own_directory_costs_nothing(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []
        real = circus.process.start
        monkeypatch.setattr(
            circus.process, "start", lambda record, **how: seen.append(record) or real(record, **how)
        )
        make(working_dir=os.getcwd() + "/.")
        assert seen[0].cwd is None

    def test_executable(self, make: Make) -> None:
        process = make("web-worker 60", executable="/bin/sleep")
        assert eventually(Path(f"/proc/{process.pid}/cmdline").read_bytes) == b"web-worker\x0060\0"

    def test_shell(self, make: Make) -> None:
        process = make("echo", args=["a b", ";", "c"], shell=True)
        assert output_of(process) == b"a b ; c\n"
        process = make("echo $0", shell=True, watcher=watcher(shell_args="zero"))
        process.wait(PATIENCE)

    def test_leads_a_session(self, make: Make) -> None:
        process = make()
        assert os.getsid(process.pid) == process.pid

    def test_the_time_of_the_start(self, make: Make) -> None:
        before = time.time()
        process = make()
        assert before <= process.started <= time.time()
        assert 0 <= process.age() < 60
        assert Process("x", 1, "a", spawn=False).age() == 0.0

    def test_age_does_not_care_for_the_wall_clock(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        process = make()
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert 0 <= process.age() < 60


class TestOutput:
    def test_pipes(self, make: Make) -> None:
        process = make("sh -c 'echo out; echo err >&2'")
        assert isinstance(process.stdout, io.FileIO)
        assert output_of(process) == b"out\n"
        assert process.stderr is not None
        assert process.stderr.read() == b"err\n"

    def test_without_pipes_ours_is_inherited(self, make: Make) -> None:
        process = make(pipe_stdout=False, pipe_stderr=False)
        assert process.stdout is None
        assert process.stderr is None
        files = files_of(process, {0, 1, 2})
        assert [files[fd] for fd in (1, 2)] == [os.readlink(f"/proc/self/fd/{fd}") for fd in (1, 2)]

    def test_a_closed_output_makes_an_empty_pipe(self, make: Make) -> None:
        process = make("sh -c 'echo out; echo err >&2'", close_child_stdout=True, close_child_stderr=True)
        assert output_of(process) == b""
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.wait(PATIENCE)
        assert process.returncode() == 0

    def test_closed_without_pipes(self, make: Make) -> None:
        process = make(pipe_stdout=False, pipe_stderr=False, close_child_stdout=True, close_child_stderr=True)
        assert set(files_of(process, {0, 1, 2}).values()) == {os.devnull}

    def test_standard_input(self, make: Make) -> None:
        assert files_of(make(), {0, 1, 2})[0] == os.devnull
        inherited = make(close_child_stdin=False)
        assert files_of(inherited, {0, 1, 2})[0] == os.readlink("/proc/self/fd/0")

    def test_our_ends_are_closed_on_exec(self, make: Make) -> None:
        process = make()
        assert process.stdout is not None
        assert not os.get_inheritable(process.stdout.fileno())

    def test_closing_twice(self, make: Make) -> None:
        process = make()
        process.close_output_channels()
        process.close_output_channels()
        assert process.stdout is not None
        assert process.stdout.closed


class TestSetUp:
    def test_rlimits(self, make: Make) -> None:
        process = make("sh -c 'ulimit -n; ulimit -Sc; ulimit -Hc'", rlimits={"nofile": 50, "CORE": "0:1024"})
        assert output_of(process).split() == [b"50", b"0", b"2"]  # dash counts cores in blocks of 512 bytes
        assert process.rlimits == {"nofile": 50, "CORE": "0:1024"}

    def test_infinite_limit(self, make: Make) -> None:
        assert output_of(make("sh -c 'ulimit -c'", rlimits={"core": None})) == b"unlimited\n"

    def test_unknown_limit(self, make: Make) -> None:
        with pytest.raises(subprocess.SubprocessError, match='unknown rlimit "foo"'):
            make(rlimits={"foo": 1})

    def test_missing_program_behind_a_limit(self, make: Make) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            make("nope", rlimits={"core": 0})
        assert str(caught.value) == "[Errno 2] No such file or directory: 'nope'"

    def test_spawn_does_not_wait_for_it(self, make: Make) -> None:
        process = make("nope", rlimits={"core": 0}, spawn=False)
        process.spawn()
        assert process.setup_fd is not None
        assert process.pid > 0
        text = launch.read_setup(process.setup_fd)
        process.setup_fd = None
        assert text == "[Errno 2] No such file or directory: 'nope'"

    @as_root
    def test_user_with_primary_and_further_groups(self, make: Make) -> None:
        process = make("id", uid="nobody")
        assert output_of(process) == subprocess.check_output(["id", "nobody"])
        assert process.username == "nobody"
        assert process.uid == int(subprocess.check_output(["id", "-u", "nobody"]))

    @as_root
    def test_user_0_and_group_0_are_honoured(self, make: Make) -> None:
        process = make("id -u", uid=0, gid=0)
        assert (process.uid, process.gid) == (0, 0)
        assert output_of(process) == b"0\n"

    @as_root
    def test_login_environment(self, make: Make) -> None:
        knows = watcher(login_env=True, circus_env=False)
        process = make("/bin/sleep 60", env={}, uid="nobody", watcher=knows)
        assert environment_of(process) == {"HOME": "/nonexistent", "USER": "nobody", "LOGNAME": "nobody"}


class TestSockets:
    def start(self, make: Make, sockets: CircusSockets, **options: Any) -> Process:
        own = {key: options.pop(key) for key in ("listen_fds", "stdin_socket") if key in options}
        options.setdefault("cmd", "sleep 60")
        return make(watcher=watcher(sockets=sockets, **own), **options)

    def link(self, sock: socket.socket) -> str:
        return os.readlink(f"/proc/self/fd/{sock.fileno()}")

    def test_none_without_use_fds(self, make: Make, sockets: CircusSockets) -> None:
        files_of(self.start(make, sockets), {0, 1, 2})

    def test_numbers_are_filled_in_without_use_fds(self, make: Make, sockets: CircusSockets) -> None:
        process = self.start(make, sockets, cmd="echo $(circus.sockets.web)")
        assert output_of(process) == b"%d\n" % sockets["web"].fileno()

    @pytest.mark.parametrize(
        "options",
        [
            {"cmd": "sh -c 'exec sleep 60' $(circus.sockets.WEB)"},
            {"cmd": "sh -c", "args": ["exec sleep 60", "${socket:web}"]},
            {"env": {**PATH, "FD": "$(circus.sockets.web)"}},
        ],
    )
    def test_only_those_that_are_named(
        self, make: Make, sockets: CircusSockets, options: dict[str, Any]
    ) -> None:
        fd = sockets["web"].fileno()
        process = self.start(make, sockets, use_fds=True, **options)
        assert files_of(process, {0, 1, 2, fd})[fd] == self.link(sockets["web"])
        if "env" in options:
            assert environment_of(process)["FD"] == str(fd)

    def test_all_when_none_is_named(self, make: Make, sockets: CircusSockets) -> None:
        files_of(self.start(make, sockets, use_fds=True), {0, 1, 2, *(s.fileno() for s in sockets.values())})

    def test_standard_input(self, make: Make, sockets: CircusSockets) -> None:
        process = self.start(make, sockets, stdin_socket="Web")
        assert files_of(process, {0, 1, 2})[0] == self.link(sockets["web"])

    def test_missing_standard_input_is_told(self, make: Make, sockets: CircusSockets) -> None:
        with pytest.raises(KeyError, match="nope"):
            self.start(make, sockets, stdin_socket="nope")

    def test_listen_fds(self, make: Make, sockets: CircusSockets) -> None:
        cmd = "sh -c 'exec sleep 60' $(circus.sockets.admin-2.x)"
        process = self.start(make, sockets, cmd=cmd, listen_fds=True, use_fds=True)
        assert files_of(process, {0, 1, 2, 3})[3] == self.link(sockets["admin-2.x"])
        found = environment_of(process)
        assert (found["LISTEN_FDS"], found["LISTEN_FDNAMES"]) == ("1", "admin-2.x")
        assert found["LISTEN_PID"] == str(process.pid)

    def test_listen_fds_change_the_numbers_in_the_command(self, make: Make, sockets: CircusSockets) -> None:
        cmd = "echo $(circus.sockets.web) $(circus.sockets.admin-2.x)"
        assert output_of(self.start(make, sockets, cmd=cmd, listen_fds=True)) == b"3 4\n"

    @pytest.mark.parametrize("where", ["cmd", "args"])
    def test_reuseport_socket_of_its_own(self, make: Make, where: str) -> None:
        with socket.socket() as finder:
            finder.bind(("127.0.0.1", 0))
            port = finder.getsockname()[1]
        shared = CircusSockets([CircusSocket("web", host="127.0.0.1", port=port, so_reuseport=True)])
        try:
            shared.bind_and_listen_all()
            before = settled_descriptors()
            code = "import socket,sys; s=socket.socket(fileno=int(sys.argv[1])); print(s.getsockname()[1])"
            base = f"{sys.executable} -I -S -c"
            name = "$(circus.sockets.web)"
            command: dict[str, Any] = {"cmd": f'{base} "{code}" {name}'}
            if where == "args":
                command = {"cmd": base, "args": [code, name]}
            made = [self.start(make, shared, use_fds=True, **command) for _ in range(2)]
            assert [output_of(process) for process in made] == [b"%d\n" % port] * 2
            assert open_descriptors() == before + 4  # their pipes, and no socket of theirs
        finally:
            shared.close_all()

    def test_without_a_watcher_what_is_inheritable_stays_open(self, make: Make) -> None:
        with open(os.devnull, "rb") as file:
            os.set_inheritable(file.fileno(), True)
            process = make(use_fds=True)
            eventually(lambda: str(file.fileno()) in os.listdir(f"/proc/{process.pid}/fd"))


class TestEnd:
    def test_poll_and_returncode(self, make: Make) -> None:
        process = make("sh -c 'exit 3'")
        assert eventually(lambda: process.poll() is not None)
        assert (process.poll(), process.returncode(), process.is_alive()) == (3, 3, False)

    def test_minus_the_signal(self, make: Make) -> None:
        process = make()
        assert process.poll() is None
        assert process.returncode() is None
        assert process.is_alive()
        process.stop()
        assert process.wait(PATIENCE) is None
        assert process.returncode() == -signal.SIGTERM

    def test_wait_has_a_limit(self, make: Make) -> None:
        with pytest.raises(psutil.TimeoutExpired):
            make().wait(0.01)

    def test_status(self, make: Make) -> None:
        process = make()
        assert process.status == RUNNING
        process.send_signal(signal.SIGKILL)
        eventually(lambda: process.status == DEAD_OR_ZOMBIE)
        assert process.returncode() is None  # looking collects nothing
        process.poll()
        assert process.status == UNEXISTING
        assert Process("x", 1, "a", spawn=False).status == UNEXISTING
        assert OTHER == 3

    def test_status_when_somebody_else_collected(self, make: Make) -> None:
        process = make("true")
        os.waitpid(process.pid, 0)
        assert process.status == UNEXISTING
        assert not process.is_alive()
        assert process.returncode() is None

    def test_stop_again_and_again(self, make: Make) -> None:
        process = make()
        process.stop()
        process.stop()
        process.wait(PATIENCE)
        process.stop()
        never = Process("x", 1, "a", spawn=False)
        never.stop()

    def test_a_gone_process_gets_no_signal(self, make: Make) -> None:
        process = make("true")
        process.wait(PATIENCE)
        for question in (
            lambda: process.send_signal(signal.SIGTERM),
            process.children,
            lambda: process.is_child(1),
        ):
            with pytest.raises(psutil.NoSuchProcess):
                question()
        assert process.info() == "No such process (stopped?)"

    def test_the_reaper_and_the_process_agree(self, make: Make) -> None:
        loop = asyncio.new_event_loop()
        reaper = Reaper(loop)
        told: list[tuple[int, int | None]] = []
        try:
            waited, reaped = make("false"), make("false")
            for process in (waited, reaped):
                reaper.watch(process.pid, lambda pid, code: told.append((pid, code)))
            waited.wait(PATIENCE)


            def turn() -> bool:
                loop.run_until_complete(asyncio.sleep(0))
                return len(told) == 2

            eventually(turn)
            assert sorted(told) == sorted([(waited.pid, 1), (reaped.pid, 1)])
            assert reaped.returncode() == reaped.poll() == 1
            assert not reaped.is_alive()
        finally:
            reaper.close()
            loop.close()

    def test_told_from_outside(self, make: Make) -> None:
        process = make("true")
        os.waitpid(process.pid, 0)
        process.ended(7)
        assert (process.poll(), process.status) == (7, UNEXISTING)


class TestFamily:
    @pytest.fixture
    def parent(self, make: Make) -> Process:
        process = make("sh -c 'sleep 60 & sleep 60 & wait'")
        eventually(lambda: len(process.children()) == 2)
        return process

    @pytest.fixture(autouse=True)
    def no_survivors(self, request: pytest.FixtureRequest) -> Iterator[None]:
        parent = request.getfixturevalue("parent")
        kids = parent.children()
        yield
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
        # Orphans come to the test process, see tests/conftest.py.
        eventually(lambda: not any(is_ours(kid) for kid in kids))

    def test_children(self, parent: Process) -> None:
        kids = parent.children()
        assert parent.children(recursive=True) == kids
        assert parent.is_child(kids[0])
        assert not parent.is_child(parent.pid)

    def test_signal_to_a_child(self, parent: Process) -> None:
        first, second = parent.children()
        parent.send_signal_child(first, signal.SIGTERM)
        eventually(lambda: parent.children() == [second])
        for stranger in (first, os.getpid()):
            with pytest.raises(psutil.NoSuchProcess):
                parent.send_signal_child(stranger, 0)

    def test_signal_to_all_children(self, parent: Process) -> None:
        parent.send_signal_children(signal.SIGTERM)
        parent.wait(PATIENCE)

    def test_info(self, parent: Process) -> None:
        before = parent.age()
        info = parent.info()
        assert isinstance(info, dict)
        assert info["pid"] == parent.pid
        assert info["wid"] == 1
        assert info["started"] == parent.started
        assert before <= info["age"] <= parent.age()
        assert sorted(kid["pid"] for kid in info["children"]) == sorted(parent.children())
        assert "wid" not in info["children"][0]
        eventually(lambda: parent.info()["cmdline"] == "sh")


class TestObject:
    def test_never_started(self) -> None:
        process = Process("web", 1, "a", spawn=False)
        for name in ("pid", "stdout", "stderr"):
            with pytest.raises(AttributeError, match="never started"):
                getattr(process, name)
        assert process._worker is None
        assert process.started == 0
        assert repr(process) == "<circus.Process web.1 pid=None>"

    def test_order_and_identity(self) -> None:
        older, newer = (Process("web", wid, "a", spawn=False) for wid in (1, 2))
        older.started, newer.started = 1.0, 2.0
        assert older < newer
        assert newer > older
        assert sorted([newer, older]) == [older, newer]
        assert older != newer
        assert {older, newer, older} == {newer, older}

    def test_psutil_popen_view(self, make: Make) -> None:
        process = make()
        worker = process._worker
        assert worker.pid == process.pid
        assert worker.poll() is None
        assert worker.stdout is process.stdout
        assert worker.is_running()
        eventually(lambda: worker.memory_info().rss > 0)  # not yet in the midst of the exec
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == worker.returncode == -signal.SIGTERM

    def test_accessors_of_psutil(self) -> None:
        process = psutil.Process()
        assert circus.process.get_username(process) == process.username()
        assert circus.process.get_cmdline(process) == process.cmdline()
        assert circus.process.get_status(process) == process.status()
        assert circus.process.get_nice(process) == process.nice()
        assert circus.process.get_cpu_percent(process, interval=None) >= 0

    def test_nothing_warns_when_it_is_collected(self, make: Make) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            process = make("true", pipe_stdout=False, pipe_stderr=False)
            process.wait(PATIENCE)
            del process
