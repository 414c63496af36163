"""Starting one program: the cheapest way that does what the :class:`Launch` record asks for.

Called by ``circus.process`` (workers) and by whoever needs a child that no Python code of ours runs in after
the fork. Three ways, tried in this order:

* ``posix_spawn(2)`` when nothing but descriptors, session and signals has to be arranged;
* :class:`subprocess.Popen` on its vfork path, for a working directory or unknown open descriptors;
* the exec program ``childexec.py`` for credentials, resource limits and the systemd descriptors.

A ``fork`` with Python in the child costs twenty times as much and may deadlock on a lock that another thread
held; it is not used at all. This module waits for nobody (``circus.system.reaper`` does) and must not know
watchers.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Mapping

from circus.base.capabilities import MAXFD
from circus.base.record import Record

#: As ``stdin``, ``stdout`` or ``stderr`` of a :class:`Launch`: the null device. The value is that of
#: ``subprocess``.
DEVNULL = -3
#: Where a program is looked for when the child's environment has no PATH (what ``execvp`` of Python does).
DEFAULT_PATH = "/bin:/usr/bin"

_CHILDEXEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "childexec.py")
# Python ignores these two; an ignored signal stays ignored through an exec, and `yes | head` would never end.
_PYTHON_IGNORES = tuple(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))
#: A found program is believed for this long: a burst of workers searches once, a new version is seen at once
#: after.
_FOUND_FOR = 1.0
_FOUND_MAX = 256

_found: dict[tuple[str, str], tuple[str, float]] = {}
_inheritable: set[int] = set()
_sealed = False
_has_posix_spawn = hasattr(os, "posix_spawn")


class Launch(Record):
    """Everything about a child before it exists. A session of its own and a clean signal state are not asked
    for: every child gets them.

    :param argv: the words of the command; the first one is what ``ps`` shows.
    :param executable: the program to run when it is not ``argv[0]``; without a slash it is searched on PATH.
    :param env: the whole environment; an empty one means an empty one.
    :param cwd: directory to start in; None is the daemon's.
    :param uid: numeric user to become; 0 is honoured, None leaves the daemon's.
    :param gid: numeric group to become, likewise.
    :param groups: supplementary groups; None with another uid means ``gid`` alone, never those of the daemon.
    :param rlimits: upper-case names without ``RLIMIT_``; one number is soft and hard limit, a pair is (soft,
        hard); -1 is infinity.
    :param stdin: descriptor that becomes 0, :data:`DEVNULL`, or None to inherit.
    :param stdout: the same for 1.
    :param stderr: the same for 2.
    :param pass_fds: descriptors above 2 that the child keeps, under the same numbers.
    :param listen_fds: descriptors that become 3, 4, ... in this order, with LISTEN_PID set
        (``sd_listen_fds(3)``).
    """

    argv: tuple[str, ...]
    executable: str | None = None
    env: Mapping[str, str] = {}
    cwd: str | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None
    rlimits: Mapping[str, int | tuple[int, int]] = {}
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    pass_fds: tuple[int, ...] = ()
    listen_fds: tuple[int, ...] = ()


class Started(Record):
    """A child that exists.

    :param pid: its number; the caller must see that somebody waits for it.
    :param setup_fd: None, or a descriptor for :func:`read_setup` that becomes readable when the set-up before
        the program is over.
    """

    pid: int
    setup_fd: int | None = None


def start(launch: Launch, *, sealed: bool = False) -> Started:
    """Start the child and return at once.

    :param sealed: promise that the only inheritable descriptors above 2 of this process are those given to
        :func:`register_inheritable`; allows the cheapest way.
    :raises OSError: when the program or the directory cannot be used, with that name as ``filename``.
    :raises ValueError: for an empty command or a value that no program can be given (a null byte).
    """
    if not launch.argv:
        raise ValueError("the command is empty")
    if _needs_exec_program(launch, sealed):
        return _start_through_exec_program(launch, sealed)
    return Started(_start_plain(launch, sealed))


def read_setup(setup_fd: int) -> str | None:
    """What went wrong in the child before its program began, or None; closes ``setup_fd``.

    Waits when the set-up (some ten milliseconds) is not over; a loop calls this once the descriptor is
    readable.
    """
    try:
        text = os.read(setup_fd, 4096)  # one write of at most PIPE_BUF bytes: never torn
    finally:
        os.close(setup_fd)
    return text.decode("utf-8", "replace") or None


# -- descriptors that children could inherit
# ---------------------------------------------------------------------


def register_inheritable(fd: int) -> None:
    """Note that ``fd`` is inheritable on purpose; children that were not given it get it closed."""
    _inheritable.add(fd)


def unregister_inheritable(fd: int) -> None:
    """Forget ``fd``, which is about to be closed or no longer inheritable. Unknown numbers are fine."""
    _inheritable.discard(fd)


def seal_inherited_fds() -> None:
    """Keep what the parent of this process left open from our children; called once when ``circusd`` starts.

    Also fills closed standard descriptors with the null device, lest the next pipe be taken for one of them.
    """
    global _sealed
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    for fd in _open_fds():
        if fd > 2 and fd not in _inheritable:
            try:
                os.set_inheritable(fd, False)
            except OSError as error:
                if error.errno != errno.EBADF:  # the one that listed the directory is gone already
                    raise
    _sealed = True


def inheritable_fds() -> list[int]:
    """Every descriptor above 2 that a program started without further ado would inherit."""
    found = []
    for fd in _open_fds():
        try:
            if fd > 2 and os.get_inheritable(fd):
                found.append(fd)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
    return found


def is_sealed() -> bool:
    """True once :func:`seal_inherited_fds` was called in this process: what ``sealed`` of :func:`start`
    wants.
    """
    return _sealed


def _open_fds() -> list[int]:
    for directory in ("/proc/self/fd", "/dev/fd"):
        try:
            return [int(name) for name in os.listdir(directory)]
        except (FileNotFoundError, NotADirectoryError):
            continue
    return list(range(MAXFD))


# -- the ways
# ----------------------------------------------------------------------------------------------------


def _start_plain(launch: Launch, sealed: bool) -> int:
    global _has_posix_spawn
    if sealed and _has_posix_spawn and launch.cwd is None and not _moves_low_fds(launch):
        try:
            return _posix_spawn(launch)
        except NotImplementedError:  # a libc without POSIX_SPAWN_SETSID
            _has_posix_spawn = False
    return _popen(launch)


def _moves_low_fds(launch: Launch) -> bool:
    """Whether a standard descriptor is made from another one, where the order of the copies would matter."""
    return any(
        source is not None and 0 <= source <= 2 and source != target
        for target, source in enumerate((launch.stdin, launch.stdout, launch.stderr))
    )


def _posix_spawn(launch: Launch) -> int:
    program = launch.executable or launch.argv[0]
    path = program if os.sep in program else find_program(program, launch.env)
    hidden = [fd for fd in launch.pass_fds if fd not in _inheritable and not os.get_inheritable(fd)]
    for fd in hidden:
        os.set_inheritable(fd, True)
    try:
        return _posix_spawn_at(path, launch)
    except FileNotFoundError:
        again = None if path == program else find_program(program, launch.env, fresh=True)
        if again is None or again == path:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program) from None
        return _posix_spawn_at(again, launch)
    except OSError as error:
        raise OSError(error.errno, error.strerror, program) from None
    finally:
        for fd in hidden:
            os.set_inheritable(fd, False)


def _posix_spawn_at(path: str, launch: Launch) -> int:
    actions: list[tuple[object, ...]] = []
    for target, source in enumerate((launch.stdin, launch.stdout, launch.stderr)):
        if source == DEVNULL:
            actions.append((os.POSIX_SPAWN_OPEN, target, os.devnull, os.O_RDWR, 0))
        elif source is not None and source != target:
            actions.append((os.POSIX_SPAWN_DUP2, source, target))
    # After the copies: a stale registration whose number now belongs to a pipe of ours then does no harm.
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable if fd not in launch.pass_fds]
    return os.posix_spawn(
        path,
        launch.argv,
        launch.env,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=_PYTHON_IGNORES,
    )


def _popen(launch: Launch) -> int:
    import subprocess  # kept off the start path

    child = subprocess.Popen(
        launch.argv,
        executable=launch.executable,
        env=launch.env,
        cwd=launch.cwd,
        stdin=launch.stdin,
        stdout=launch.stdout,
        stderr=launch.stderr,
        pass_fds=launch.pass_fds,
        start_new_session=True,
    )
    # An object that believes its process has ended neither waits for it nor warns when it is collected.
    child.returncode = 0
    return child.pid


def find_program(program: str, env: Mapping[str, str], *, fresh: bool = False) -> str:
    """Path of ``program`` on the PATH of ``env`` (:data:`DEFAULT_PATH` without one), as ``execvp(3)`` would
    choose.

    :param fresh: do not believe what was found a moment ago.
    :raises FileNotFoundError: when no directory has it.
    :raises PermissionError: when only files are found that may not be executed.
    """
    search = env.get("PATH", DEFAULT_PATH)
    now = time.monotonic()
    known = _found.get((program, search))
    if known is not None and known[1] > now and not fresh:
        return known[0]
    path = _search(program, search)
    if len(_found) >= _FOUND_MAX:
        _found.clear()
    _found[program, search] = path, now + _FOUND_FOR
    return path


def _search(program: str, search: str) -> str:
    refused = False
    for directory in search.split(os.pathsep):
        path = os.path.join(directory, program)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
        refused = refused or os.path.exists(path)
    code = errno.EACCES if refused else errno.ENOENT
    raise OSError(code, os.strerror(code), program)


# -- the exec program
# --------------------------------------------------------------------------------------------


def _needs_exec_program(launch: Launch, sealed: bool) -> bool:
    if launch.rlimits or launch.listen_fds or _changes_identity(launch):
        return True
    if sealed and launch.cwd is None:
        return False
    # Popen hands our signal mask on, posix_spawn clears it. Clearing it here for a moment would deliver
    # signals.
    return hasattr(signal, "pthread_sigmask") and bool(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def _changes_identity(launch: Launch) -> bool:
    """Whether the child must be somebody else than the daemon is."""
    if launch.uid is None and launch.gid is None and launch.groups is None:
        return False
    if launch.uid is not None and (os.getuid(), os.geteuid()) != (launch.uid, launch.uid):
        return True
    if launch.gid is not None and (os.getgid(), os.getegid()) != (launch.gid, launch.gid):
        return True
    # Only root can change its groups; anybody else already has exactly what it may have.
    return launch.groups is not None and os.geteuid() == 0 and set(launch.groups) != set(os.getgroups())


def _start_through_exec_program(launch: Launch, sealed: bool) -> Started:
    if not sys.executable:
        raise FileNotFoundError(errno.ENOENT, "no Python interpreter is known to prepare the child with",
        "python")
    order_fd = _memory_file(_order(launch))
    setup_fd, report_fd = os.pipe()
    try:
        carrier = Launch(
            argv=(sys.executable, "-I", "-S", _CHILDEXEC, str(order_fd), str(report_fd)),
            # The interpreter runs in the daemon's environment: the child's may lack, or bend, its libraries.
            env=os.environ,
            cwd=launch.cwd,
            stdin=launch.stdin,
            stdout=launch.stdout,
            stderr=launch.stderr,
            pass_fds=(*launch.pass_fds, *launch.listen_fds, order_fd, report_fd),
        )
        return Started(_start_plain(carrier, sealed), setup_fd)
    except BaseException:
        os.close(setup_fd)
        raise
    finally:
        os.close(order_fd)
        os.close(report_fd)


def _order(launch: Launch) -> bytes:
    """What ``childexec.py`` is to do. Not on its command line, which everybody may read: secrets are in
    ``env``.
    """
    import marshal  # the one reader is the same interpreter, started by us a moment later

    for name, value in launch.env.items():
        if "\0" in name or "\0" in value or "=" in name:
            raise ValueError(f"not an environment variable: {name!r}")
    program = launch.executable or launch.argv[0]
    changes = _changes_identity(launch)
    groups = launch.groups
    if changes and groups is None and launch.uid is not None:
        groups = () if launch.gid is None else (launch.gid,)
    encode = os.fsencode
    order = {
        "program": program,
        "paths": [encode(path) for path in _candidates(program, launch.env)],
        "argv": [encode(word) for word in launch.argv],
        "env": {encode(name): encode(value) for name, value in launch.env.items()},
        "rlimits": [(name, *(limit if isinstance(limit, tuple) else (limit, limit)))
                    for name, limit in launch.rlimits.items()],
        "uid": launch.uid if changes else None,
        "gid": launch.gid if changes else None,
        "groups": groups if changes else None,
        "listen_fds": launch.listen_fds,
    }
    return marshal.dumps(order)


def _candidates(program: str, env: Mapping[str, str]) -> list[str]:
    """Paths to try in turn; the search happens in the child, with the rights of the child."""
    if os.sep in program:
        return [program]
    directories = env.get("PATH", DEFAULT_PATH).split(os.pathsep)
    return [os.path.join(directory, program) for directory in directories]


def _memory_file(content: bytes) -> int:
    """A descriptor that ``content`` can be read from, of any length (a pipe would block at 64 kB)."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("circus-order")
    else:
        import tempfile  # kept off the start path

        fd, path = tempfile.mkstemp(prefix="circus-order-")
        os.unlink(path)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view):]
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd
