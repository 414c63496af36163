"""The last steps of a child that needs another identity, limits or the descriptors of ``sd_listen_fds(3)``.

Not imported: ``circus.system.launch`` runs this file as a program, in a process that already has its session,
its directory and its standard descriptors, and this file turns itself into the worker. It fails closed:
anything that cannot be done as ordered ends the process with one line of text on the report descriptor. A
successful exec closes that descriptor without a word.

usage: python -I -S childexec.py ORDER_FD REPORT_FD
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # ``signal`` would add the import of enum, half our time
import errno
import marshal
import os
import resource
import sys

TYPE_CHECKING = False  # typing itself costs time that every such child would pay
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def apply_rlimit(name: str, soft: int, hard: int) -> None:
    """Set one limit; an infinite number of open files that the kernel refuses becomes the hard limit there
    is.
    """
    number = getattr(resource, "RLIMIT_" + name, None)
    if number is None:
        raise ValueError(f'unknown rlimit "{name.lower()}"')
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError) as error:
        if name != "NOFILE" or resource.RLIM_INFINITY not in (soft, hard):
            raise ValueError(f'rlimit "{name.lower()}" of {soft}:{hard} refused: {error}') from error
        ceiling = resource.getrlimit(number)[1]
        soft, hard = (ceiling if limit == resource.RLIM_INFINITY else limit for limit in (soft, hard))
        resource.setrlimit(number, (soft, hard))


def change_identity(uid: int | None, gid: int | None, groups: Sequence[int] | None) -> None:
    """Become that user, groups first, for afterwards there is no right left to change them."""
    steps: tuple[tuple[str, Callable[[Any], None], Any], ...] = (
        ("supplementary groups", os.setgroups, groups),
        ("group", os.setgid, gid),
        ("user", os.setuid, uid),
    )
    for what, change, value in steps:
        if value is None:
            continue
        try:
            change(value)
        except OSError as error:
            raise PermissionError(
                f"cannot change the {what} to {value}: {error} (circusd runs as uid {os.geteuid()})"
            ) from error
    if uid is not None and os.getresuid() != (uid, uid, uid):
        raise PermissionError(f"uid {uid} was not taken over: {os.getresuid()}")
    if gid is not None and os.getresgid() != (gid, gid, gid):
        raise PermissionError(f"gid {gid} was not taken over: {os.getresgid()}")


def place_listen_fds(fds: Sequence[int], report_fd: int) -> int:
    """Move ``fds`` to 3, 4, ... and give back the new place of the report descriptor, out of their way."""
    above = max(*fds, report_fd, 2 + len(fds)) + 1
    os.dup2(report_fd, above, inheritable=False)
    for offset, fd in enumerate(fds, 1):
        os.dup2(fd, above + offset, inheritable=False)
    for fd in {*fds, report_fd}:
        os.close(fd)
    for offset in range(len(fds)):
        os.dup2(above + 1 + offset, 3 + offset, inheritable=True)
        os.close(above + 1 + offset)
    return above


def execute(order: dict[str, Any]) -> None:
    """Run the program: the first of the paths that exists, as ``execvp(3)`` does."""
    reason: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in order["paths"]:
        try:
            os.execve(path, order["argv"], order["env"])
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            reason = error
    raise OSError(reason.errno, reason.strerror, order["program"])


def prepare_and_execute(order: dict[str, Any]) -> None:
    """Everything that may fail, in the order of spec lifecycle.md 3."""
    for name, soft, hard in order["rlimits"]:
        apply_rlimit(name, soft, hard)
    change_identity(order["uid"], order["gid"], order["groups"])
    if order["listen_fds"]:
        order["env"][b"LISTEN_PID"] = str(os.getpid()).encode()
    for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ"):  # ignored by every Python, this one too
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    execute(order)


def read_order(fd: int) -> Any:
    """The record written by ``launch``, read to its end."""
    chunks = []
    while chunk := os.read(fd, 65536):
        chunks.append(chunk)
    os.close(fd)
    return marshal.loads(b"".join(chunks))


def main(order_fd: int, report_fd: int) -> None:
    """Carry the order out; come back from it only to report why that was impossible."""
    os.set_inheritable(report_fd, False)
    try:
        order = read_order(order_fd)
        if order["listen_fds"]:
            report_fd = place_listen_fds(order["listen_fds"], report_fd)
        prepare_and_execute(order)
    except Exception as error:  # the border of this process: whatever it was, the daemon must hear of it
        text = str(error) or type(error).__name__
        os.write(report_fd, text.encode("utf-8", "replace")[:4000])
    finally:
        os._exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
