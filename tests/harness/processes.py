"""Process trees of tests: who belongs to a daemon, who survived it, and how to get rid of them.

On Linux the test process makes itself the reaper of orphans, so that a worker that outlives its daemon
becomes a child of the test process and cannot hide.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import psutil

from harness.waiting import PATIENCE, eventually

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def adopt_orphans() -> bool:
    """Make this process the new parent of all orphaned descendants; False where the system cannot do that."""
    if not sys.platform.startswith("linux"):
        return False
    return ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


#: Pids of servers of the harness itself, which live as long as the tests do.
SERVERS: set[int] = set()


def descendants(pid: int | None = None) -> set[psutil.Process]:
    """Children, grandchildren and so on of a process (default: this one), zombies too, the harness's own left out."""
    try:
        return {each for each in psutil.Process(pid).children(recursive=True) if each.pid not in SERVERS}
    except psutil.NoSuchProcess:
        return set()


def descendant_pids(pid: int) -> list[int]:
    """Pids of the children, grandchildren and so on of a process, quickly.

    proc(5): a child may be missed while a sibling of it ends, so this is not for finding what was left behind.
    """
    if not Path(f"/proc/{pid}/task/{pid}/children").exists():
        return [process.pid for process in descendants(pid)]
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for listing in Path(f"/proc/{parent}/task").glob("*/children"):
                waiting += (children := [int(word) for word in listing.read_text().split()])
                found += children
    return found


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_ending(process: psutil.Process) -> bool:
    """Whether a process was killed and does nothing any more, though the kernel has not yet taken it down (Linux)."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return False
    told = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    waiting = int(told.get("SigPnd", "0"), 16) | int(told.get("ShdPnd", "0"), 16)
    return "VmSize" not in told or bool(waiting & 1 << signal.SIGKILL - 1)


def works_in(process: psutil.Process, directory: Path) -> bool:
    """Whether the working directory of a process is ``directory`` or lies below it."""
    try:
        return Path(process.cwd()).is_relative_to(directory)
    except (psutil.Error, OSError):
        return False


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL them all and wait until they are gone; those that have become our own children are reaped."""
    found = set(processes)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)

    def gone() -> bool:
        for process in found:
            # Only an adopted orphan can be waited for here; a child of somebody else's is that one's to reap.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
        return not any(is_alive(process) for process in found)

    eventually(gone, PATIENCE)


def describe(processes: Iterable[psutil.Process]) -> str:
    """One line per process, for the message of a failure."""
    lines = []
    for process in processes:
        try:
            lines.append(f"pid {process.pid} ({process.status()}): {' '.join(process.cmdline())}")
        except psutil.Error:
            lines.append(f"pid {process.pid} (gone meanwhile)")
    return "\n".join(sorted(lines))
