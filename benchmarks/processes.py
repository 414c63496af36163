"""What the harness asks the kernel about processes: CPU clocks, memory, trees; how it leaves none behind.

Linux only. Called by systems.py and the figures; knows nothing of Circus.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
CPUCLOCK_SCHED = 2
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Late(Exception):
    """Something awaited did not happen before its deadline."""


def cpu_seconds(pid: int) -> float:
    """User and system time of one process, its threads included and its children not, to the nanosecond.

    The process' CPU clock (clock_getcpuclockid(3)), as /proc/<pid>/stat counts in steps of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def rss_megabytes(pid: int) -> float:
    """Resident memory (VmRSS), in MB of 1024 kB."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise Late(f"process {pid} has no memory any more")


def parents() -> dict[int, int]:
    """``{pid: parent pid}`` of every process of the host."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stat:
                text = stat.read()
                found[int(entry)] = int(text[text.rindex(b")") + 2 :].split()[1])
    return found


def descendants(pid: int) -> set[int]:
    """Every process below ``pid``, itself excluded."""
    children: dict[int, list[int]] = {}
    for child, parent in parents().items():
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    todo = [pid]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def adopt_orphans() -> None:
    """Become the parent of orphans below this process, so that they can be found and killed."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_all(pids: Iterable[int]) -> None:
    """SIGKILL each process that still exists."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_tree(process: subprocess.Popen[bytes], known: Iterable[int] = (), seconds: float = 10.0) -> None:
    """End a process and all below it, by force; ``known`` are pids below it that may be orphans already.

    Orphans are ours to collect when adopt_orphans() was called, else those of init.
    """
    below = descendants(process.pid) if process.poll() is None else set()
    mine = os.getpid()
    parent_of = parents()
    below |= {pid for pid in known if parent_of.get(pid) == mine}
    process.kill()
    process.wait(seconds)
    kill_all(below)
    collect_orphans(below, seconds)


def collect_orphans(pids: Iterable[int], seconds: float = 10.0) -> None:
    """Wait until none of the killed processes is left, collecting those that are our children."""
    left = set(pids)

    def gone() -> bool:
        for pid in list(left):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not os.path.exists(f"/proc/{pid}"):
                left.discard(pid)
        return not left

    wait_until(gone, seconds, f"{len(left)} killed processes to vanish")


def end_all_below(seconds: float = 10.0) -> None:
    """End every process below this one, by force, also those started meanwhile; Late when some do not vanish."""
    me = os.getpid()
    while below := descendants(me):
        kill_all(below)
        collect_orphans(below, seconds)


def leave_nothing_when_ended(directory: Path) -> None:
    """From now on SIGHUP, SIGINT and SIGTERM end this process with 128 + their number, and all it made with it.

    Not by an exception: one that is raised while a finalizer runs is told and dropped, and the run would go on.

    :param directory: where the files of this run are.
    """

    def end(signum: int, _frame: object) -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        try:
            end_all_below()
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            os.write(2, f"ended by {signal.Signals(signum).name}\n".encode())
            os._exit(128 + signum)

    for each in ENDING:
        if signal.getsignal(each) is not signal.SIG_IGN:  # nohup(1)
            signal.signal(each, end)


def wait_until(condition: Callable[[], bool], seconds: float, what: str, pause: float = 0.005) -> None:
    """Poll a condition until it holds; Late with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Late(f"waited {seconds:g} s for {what}")
        time.sleep(pause)
