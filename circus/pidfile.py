"""The file that says which process is the daemon, and keeps a second one from starting.

Used by ``circusd`` only. Two things guard it: the number in the file, as in Circus 0.19, and a lock on the
file that lives as long as the daemon, which settles the race of two daemons that start at the same moment and
both find an old file (``flock(2)``). It knows nothing of configuration and exits nobody: errors are raised.
"""

from __future__ import annotations

import os
import weakref

from circus.base.logs import logger

try:
    import fcntl
except ImportError:  # Windows: the daemon does not run there, but the module can be imported
    fcntl = None  # type: ignore[assignment]


class Pidfile:
    """A file with the number of a process.

    :param fname: its path, relative to the current directory; None for a temporary file made by
        :meth:`create`.
    """

    #: Permissions of the file, whatever the umask says.
    perm_mode = 0o644

    def __init__(self, fname: str | os.PathLike[str] | None) -> None:
        self.fname = fname
        self.pid: int | None = None
        self._lock: int | None = None
        _pidfiles.add(self)

    def create(self, pid: int) -> None:
        """Write ``pid`` and hold the file until :meth:`unlink`, or until this process ends.

        A file that says ``pid`` already is kept; one with the number of a dead process, or none, is
        overwritten.

        :raises RuntimeError: when another live process has the file, or its directory does not exist.
        :raises OSError: when the file cannot be opened or written.
        """
        pid = int(pid)
        self.fname = path = self._path_to_create()
        fd, locked = _open_locked(path)
        try:
            owner = _parse_pid(os.pread(fd, 64, 0))
            if owner != pid:
                if owner is not None and _is_alive(owner):
                    raise RuntimeError(_refusal(path, pid, f"process {owner} has it, and is alive"))
                if not locked and not any(other._holds(fd) for other in _pidfiles):
                    raise RuntimeError(_refusal(path, pid, "another circusd holds its lock"))
                _write_pid(fd, pid)
            os.fchmod(fd, self.perm_mode)
        except BaseException:
            os.close(fd)
            raise
        self._release()
        self.pid, self._lock = pid, fd

    def rename(self, path: str | os.PathLike[str]) -> None:
        """Give up the file and write the same number to ``path``. :raises: as :meth:`create`."""
        pid = self.pid
        self.unlink()
        self.fname = path
        self.create(os.getpid() if pid is None else pid)

    def unlink(self) -> None:
        """Delete the file if it says our number, or no number at all; another's is left. Never raises."""
        try:
            if self.fname is not None:
                with open(self.fname, "rb") as file:
                    if _parse_pid(file.read(64)) in (None, self.pid):
                        os.unlink(self.fname)
        except FileNotFoundError:
            pass  # gone already
        except (OSError, ValueError) as error:
            logger.warning("pid file %r was not deleted: %s", self.fname, error)
        finally:
            self._release()

    def validate(self) -> int | None:
        """The number in the file if that process is alive; None without file, number or process."""
        if self.fname is None:
            return None
        try:
            with open(self.fname, "rb") as file:
                pid = _parse_pid(file.read(64))
        except FileNotFoundError:
            return None
        return pid if pid is not None and _is_alive(pid) else None

    def _path_to_create(self) -> str | os.PathLike[str]:
        if self.fname is None:
            import tempfile  # kept off the start path

            fd, path = tempfile.mkstemp(prefix="circus-", suffix=".pid")
            os.close(fd)
            return path
        directory = os.path.dirname(self.fname)
        if directory and not os.path.isdir(directory):
            raise RuntimeError(f"{os.fspath(directory)} doesn't exist. Can't create pidfile")
        return self.fname

    def __del__(self) -> None:
        self._release()

    def _holds(self, fd: int) -> bool:
        return self._lock is not None and os.path.sameopenfile(self._lock, fd)

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


# A lock excludes other descriptors even of this process; two objects of one daemon on one file must get
# along.
_pidfiles: weakref.WeakSet[Pidfile] = weakref.WeakSet()


def _open_locked(path: str | os.PathLike[str]) -> tuple[int, bool]:
    """A descriptor of the file at ``path``, made if missing, and whether the lock on it was free."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, Pidfile.perm_mode)
        try:
            locked = _lock(fd)
            if not locked or _is_at(path, fd):
                return fd, locked
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # its owner deleted it before we had the lock; what is at ``path`` now is another file


def _lock(fd: int) -> bool:
    """True when the lock was free, or this file system has no locks and the number in the file must do."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        logger.debug("pid file cannot be locked: %s", error)
    return True


def _is_at(path: str | os.PathLike[str], fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _refusal(path: str | os.PathLike[str], pid: int, reason: str) -> str:
    # The words up to the number are those of Circus 0.19, which scripts look for; what they mean comes after.
    return f"pid file {os.fspath(path)!r} is stale, current pid {pid}: {reason}"


def _parse_pid(content: bytes) -> int | None:
    try:
        return int(content)
    except ValueError:
        return None


def _is_alive(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's, hence alive
        return True
    return True


def _write_pid(fd: int, pid: int) -> None:
    """Replace the content without a moment at which the file is empty."""
    line = b"%d\n" % pid
    os.pwrite(fd, line, 0)
    os.ftruncate(fd, len(line))
    os.fsync(fd)
