"""One worker process: how it is started, and what can be asked of it or done to it afterwards.

The watcher keeps one :class:`Process` per worker; hooks, plugins and embedding programs get to see it (spec
library.md 4). It arranges command line, environment, pipes and sockets into a ``Launch`` and shares the exit
status with the reaper through the ``Child`` record. It decides nothing: when to start, stop or replace is the
watcher's.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import time
from collections.abc import Mapping
from typing import Any

from circus.base import capabilities
from circus.base.convert import get_default_gid, get_username_from_uid, to_gid, to_uid
from circus.base.environ import get_working_dir, identity_variables
from circus.base.logs import logger
from circus.system.childsockets import ChildSockets
from circus.system.commandline import Filler, words_of
from circus.system.launch import DEVNULL, Launch, is_sealed, read_setup, start
from circus.system.procinfo import children_of, ref_of, sampler, signal_ref
from circus.system.psobjects import (
    get_children,
    get_cmdline,
    get_cpu_percent,
    get_cpu_times,
    get_create_time,
    get_memory_info,
    get_memory_percent,
    get_nice,
    get_status,
    get_username,
)
from circus.system.reaper import Child, register_child

__all__ = [
    "DEAD_OR_ZOMBIE",
    "IS_WINDOWS",
    "OTHER",
    "RUNNING",
    "UNEXISTING",
    "Process",
    "get_children",
    "get_cmdline",
    "get_cpu_percent",
    "get_cpu_times",
    "get_create_time",
    "get_memory_info",
    "get_memory_percent",
    "get_nice",
    "get_status",
    "get_username",
]

RUNNING = 0
DEAD_OR_ZOMBIE = 1
UNEXISTING = 2
OTHER = 3

#: Which rules split a command; looked at with every call, so that a program may overwrite it.
IS_WINDOWS = capabilities.IS_WINDOWS

_GONE = "No such process (stopped?)"
_SYSTEM_ERROR = re.compile(r"\[Errno (\d+)\] [^:]*(?:: '(.*)')?", re.DOTALL)


class Process:
    """A worker.

    :param name: name of its watcher.
    :param wid: number of the worker within the watcher.
    :param cmd: command line; variables in it are replaced (spec config.md 7.2).
    :param args: further words, as one text to split or as a list of words.
    :param working_dir: where it starts; None is the daemon's directory.
    :param shell: have ``/bin/sh -c`` run the command.
    :param uid: user name or number to become; without ``gid`` with that user's primary group.
    :param gid: group name or number to become.
    :param env: its whole environment; None means an empty one.
    :param rlimits: limit names in any case to a number, ``"soft:hard"``, a pair, or None for infinity.
    :param executable: the program, when ``cmd`` only says what it should be called.
    :param use_fds: let it inherit managed sockets: those it names, or all when it names none.
    :param watcher: its watcher, which knows options and sockets; may be None.
    :param spawn: start it now, and wait until its program runs.
    :param pipe_stdout: catch its output in ``stdout`` instead of letting it inherit the daemon's.
    :param pipe_stderr: the same for ``stderr``.
    :param close_child_stdin: give it the null device as standard input.
    :param close_child_stdout: send its output to the null device; a pipe made nevertheless stays empty.
    :param close_child_stderr: the same for its error output.
    :raises ValueError: for an unknown user or group, or an empty command.
    :raises OSError: when the program or the directory cannot be used.
    :raises subprocess.SubprocessError: when limits or identity could not be set.
    """

    def __init__(
        self,
        name: str,
        wid: int,
        cmd: str,
        args: Any = None,
        working_dir: str | None = None,
        shell: bool = False,
        uid: int | str | None = None,
        gid: int | str | None = None,
        env: Mapping[str, str] | None = None,
        rlimits: Mapping[str, Any] | None = None,
        executable: str | None = None,
        use_fds: bool = False,
        watcher: Any = None,
        spawn: bool = True,
        pipe_stdout: bool = True,
        pipe_stderr: bool = True,
        close_child_stdin: bool = True,
        close_child_stdout: bool = False,
        close_child_stderr: bool = False,
    ) -> None:
        self.name, self.wid, self.cmd, self.args = name, wid, cmd, args
        self.working_dir = working_dir or get_working_dir()
        self.shell, self.executable, self.use_fds, self.watcher = shell, executable, use_fds, watcher
        self.uid = None if uid is None else to_uid(uid)
        self.username = None if self.uid is None else get_username_from_uid(self.uid)
        self.gid = to_gid(gid) if gid is not None else None if self.uid is None else get_default_gid(self.uid)
        self.env = {} if env is None else env
        self.rlimits = {} if rlimits is None else rlimits
        self.pipe_stdout, self.pipe_stderr = pipe_stdout, pipe_stderr
        self.close_child_stdin = close_child_stdin
        self.close_child_stdout, self.close_child_stderr = close_child_stdout, close_child_stderr
        self.stopping = self.redirected = False
        #: Wall clock at the start, for people; 0 before it.
        self.started: float = 0
        #: The same on the monotonic clock, for reckoning.
        self.born = 0.0
        #: Readable when the set-up in the child is over, see ``launch.read_setup``; None when there is none.
        self.setup_fd: int | None = None
        self._child: Child | None = None
        self._stdout: io.FileIO | None = None
        self._stderr: io.FileIO | None = None
        if spawn:
            self.spawn()
            self.finish_setup()

    def __repr__(self) -> str:
        pid = None if self._child is None else self._child.pid
        return f"<circus.Process {self.name}.{self.wid} pid={pid}>"

    def __lt__(self, other: Any) -> bool:
        return bool(self.started < other.started)

    def __gt__(self, other: Any) -> bool:
        return bool(self.started > other.started)

    # -- starting
    # ------------------------------------------------------------------------------------------------

    def spawn(self) -> None:
        """Start it and return at once; when ``setup_fd`` is set then, the last word is still to come from
        there.

        :raises OSError: ValueError: as the constructor.
        """
        sockets = ChildSockets(self)
        theirs: list[int] = []
        try:
            stdout = self._output(1, theirs)
            stderr = self._output(2, theirs)
            launch = self._launch(sockets, stdout, stderr)
            self.started, self.born = time.time(), time.monotonic()
            begun = start(launch, sealed=is_sealed())
        except BaseException:
            self.close_output_channels()
            raise
        finally:
            for fd in theirs:
                os.close(fd)
            sockets.close()
        self._child = register_child(begun.pid)
        self.setup_fd = begun.setup_fd

    def finish_setup(self) -> None:
        """Wait until the program runs (ten milliseconds where limits or another user are set, else nothing).

        :raises OSError: subprocess.SubprocessError: when it does not come to that.
        """
        if self.setup_fd is None:
            return
        fd, self.setup_fd = self.setup_fd, None
        text = read_setup(fd)
        if text is None:
            return
        self._require_child().wait()
        self.close_output_channels()
        system = _SYSTEM_ERROR.fullmatch(text)
        if system is not None:
            number = int(system[1])
            raise OSError(number, os.strerror(number), system[2])
        from subprocess import SubprocessError  # kept off the start path

        raise SubprocessError(text)

    def _output(self, number: int, theirs: list[int]) -> int | None:
        """What becomes 1 or 2 of the child. Our end of a pipe is kept, the child's end goes to ``theirs``."""
        closed = self.close_child_stdout if number == 1 else self.close_child_stderr
        target = DEVNULL if closed else None
        if self.pipe_stdout if number == 1 else self.pipe_stderr:
            ours, end = os.pipe()
            theirs.append(end)
            pipe = io.FileIO(ours, "rb")
            if number == 1:
                self._stdout = pipe
            else:
                self._stderr = pipe
            target = DEVNULL if closed else end
        return target

    def _launch(self, sockets: ChildSockets, stdout: int | None, stderr: int | None) -> Launch:
        argv = self.format_args(sockets.numbers)
        executable = self.executable
        if self.shell:
            argv = [executable or "/bin/sh", "-c", *argv]
            executable = None
        stdin = DEVNULL if self.close_child_stdin else None
        groups = None
        if self.username is not None and self.gid is not None:
            groups = tuple(os.getgrouplist(self.username, self.gid))
        return Launch(
            argv=tuple(argv),
            executable=executable,
            env=self._child_env(sockets),
            cwd=None if _is_here(self.working_dir) else self.working_dir,
            uid=self.uid,
            gid=self.gid,
            groups=groups,
            rlimits={_limit_name(name): _limit(value) for name, value in self.rlimits.items()},
            stdin=stdin if sockets.stdin is None else sockets.stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=() if sockets.listen else sockets.passed,
            listen_fds=sockets.passed if sockets.listen else (),
        )

    def _child_env(self, sockets: ChildSockets) -> dict[str, str]:
        env = dict(self.env)
        watcher = self.watcher
        if watcher is None:
            return env
        if getattr(watcher, "circus_env", True):
            # A daemon that is a worker itself inherited such names; those are not written on purpose.
            written = [
                name
                for name in ("CIRCUS_WATCHER", "CIRCUS_WID")
                if name in env and env[name] != os.environ.get(name)
            ]
            env.update(identity_variables(str(getattr(watcher, "name", self.name)), self.wid, written))
        if getattr(watcher, "login_env", False) is True and self.uid is not None:
            import pwd  # only where there are users

            user = pwd.getpwuid(self.uid)
            for name, value in (("HOME", user.pw_dir), ("USER", user.pw_name), ("LOGNAME", user.pw_name)):
                env[name] = value
        if sockets.passed:
            sockets.fill_env(env)
        return env

    def format_args(self, sockets_fds: Mapping[str, int] | None = None) -> list[str]:
        """The words of the command: variables replaced, then split.

        With ``shell`` these are the words after ``sh -c``.

        :param sockets_fds: descriptor numbers by socket name, for ``$(circus.sockets.NAME)``.
        :raises ValueError: for a quotation that is not closed.
        """
        fill, posix = Filler(self, sockets_fds), not IS_WINDOWS
        words = words_of(self.cmd, fill, posix) + words_of(self.args, fill, posix)
        shell_args = getattr(self.watcher, "shell_args", None)
        if not shell_args or not isinstance(shell_args, (str, list, tuple)):
            shell_args = None
        if self.shell:
            words = [shlex.join(words)]
            if shell_args and not IS_WINDOWS:
                return words + words_of(shell_args, fill, posix)
        if shell_args:
            # ``warn`` and not ``warning``: programs replace just this name on the logger.
            logger.warn("shell_args is defined but won't be used in this context: %s", shell_args)
        return words

    # -- the end
    # -------------------------------------------------------------------------------------------------

    def poll(self) -> int | None:
        """Exit status, or minus the signal that ended it; None while it runs."""
        child = self._require_child()
        child.collect()
        return child.returncode

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._child is not None and not self._child.collect()

    def returncode(self) -> int | None:
        """The exit status as far as it is known: None while it runs, and before anybody looked."""
        return None if self._child is None else self._child.returncode

    def wait(self, timeout: float | None = None) -> None:
        """Block until it ends. :raises psutil.TimeoutExpired: when that takes more than ``timeout`` seconds.
        """
        try:
            self._require_child().wait(timeout)
        except TimeoutError:
            import psutil  # kept off the start path

            raise psutil.TimeoutExpired(timeout or 0.0, pid=self.pid) from None

    def ended(self, returncode: int | None) -> None:
        """The reaper's word: it has ended, with that exit status."""
        child = self._require_child()
        child.collected, child.returncode = True, returncode

    @property
    def status(self) -> int:
        """RUNNING; DEAD_OR_ZOMBIE when ended and not yet collected; UNEXISTING when collected or never
        started.
        """
        ended = None if self._child is None else self._child.peek()
        return UNEXISTING if ended is None else DEAD_OR_ZOMBIE if ended else RUNNING

    def stop(self) -> None:
        """Send SIGTERM if it runs and close the pipes; may be called again, and on one that is gone."""
        try:
            if self._child is not None and self.is_alive():
                self._child.send(signal.SIGTERM)
        except ProcessLookupError:
            logger.debug("%s ended before it was told to", self)
        finally:
            self.close_output_channels()

    def close_output_channels(self) -> None:
        """Close our ends of its pipes."""
        for pipe in (self._stdout, self._stderr):
            if pipe is not None:
                pipe.close()

    # -- signals and children
    # ------------------------------------------------------------------------------------

    def send_signal(self, sig: int) -> None:
        """Send a signal. :raises psutil.NoSuchProcess: when it is gone. :raises PermissionError: not allowed.
        """
        try:
            self._require_child().send(sig)
        except ProcessLookupError:
            raise _no_such_process(self.pid) from None

    def children(self, recursive: bool = False) -> list[int]:
        """Pids of its children, or of all descendants. :raises psutil.NoSuchProcess: when it is gone."""
        if self._require_child().collected:
            raise _no_such_process(self.pid)
        return children_of(self.pid, recursive)

    def is_child(self, pid: int) -> bool:
        """Whether ``pid`` is one of its direct children."""
        return pid in self.children()

    def send_signal_child(self, pid: int, signum: int) -> None:
        """Send a signal to a direct child. :raises psutil.NoSuchProcess: when ``pid`` is none."""
        ref = ref_of(int(pid)) if self.is_child(int(pid)) else None
        if ref is None or not signal_ref(ref, signum):
            raise _no_such_process(int(pid))

    def send_signal_children(self, signum: int, recursive: bool = False) -> None:
        """Send a signal to all children, or all descendants; one that ended meanwhile does not matter."""
        for ref in [ref_of(pid) for pid in self.children(recursive)]:
            if ref is not None:
                signal_ref(ref, signum)

    # -- facts
    # ---------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Its number. :raises AttributeError: when it was never started."""
        return self._require_child().pid

    @property
    def stdout(self) -> io.FileIO | None:
        """Our end of the pipe from its output, None when that is not caught."""
        self._require_child()
        return self._stdout

    @property
    def stderr(self) -> io.FileIO | None:
        """Our end of the pipe from its error output, None when that is not caught."""
        self._require_child()
        return self._stderr

    def age(self) -> float:
        """Seconds since it was started, by a clock that nobody sets."""
        return time.monotonic() - self.born if self.born else 0.0

    def info(self) -> dict[str, Any] | str:
        """What it uses (spec wire.md 5.6), or a sentence when it is gone."""
        return self.complete_info(sampler.infos([self.pid]).get(self.pid))

    def complete_info(self, facts: dict[str, Any] | None) -> dict[str, Any] | str:
        """``facts`` of a sampler with what only we know put in; the sentence of :meth:`info` for None."""
        if facts is None:
            return _GONE
        facts.update(age=self.age(), started=self.started, wid=self.wid)
        return facts

    @property
    def _worker(self) -> Any:
        """Compatibility: an object with the methods of ``psutil.Popen``; None when it was never started."""
        if self._child is None:
            return None
        from circus.system.psobjects import WorkerView  # only old programs ask

        return WorkerView(self)

    def _require_child(self) -> Child:
        if self._child is None:
            raise AttributeError(f"{self!r} was never started")
        return self._child


def _is_here(directory: str | None) -> bool:
    """Whether a directory is the daemon's own, so that nothing has to be done to start there."""
    if not directory:
        return True
    try:
        return os.path.samestat(os.stat(directory), os.stat(os.curdir))
    except OSError:  # the attempt to start there will tell, with the name
        return False


def _limit_name(name: str) -> str:
    return name.upper().removeprefix("RLIMIT_")


def _limit(value: Any) -> int | tuple[int, int]:
    """-1 is infinity, which an empty value means, too."""
    if isinstance(value, str) and ":" in value:
        value = value.split(":", 1)
    if isinstance(value, (tuple, list)):
        soft, hard = (_limit(each) for each in value)
        assert isinstance(soft, int)
        assert isinstance(hard, int)
        return soft, hard
    return -1 if value is None or value == "" else int(value)


def _no_such_process(pid: int) -> Exception:
    import psutil  # kept off the start path

    return psutil.NoSuchProcess(pid)
