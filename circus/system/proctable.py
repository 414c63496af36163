"""Which processes there are: identity, parents, sessions; and the reading of ``/proc`` itself.

A floor of its own under ``circus.system.procinfo``, which the rest of the package imports these names from. A
process that ends while it is looked at is not an error anywhere here: it is left out. Policy, such as whom to
signal, is not decided here. Without ``/proc`` psutil answers, more slowly.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator

from circus.base.record import Record

HAS_PROC = os.path.exists("/proc/self/stat")
#: Whether the kernel lists the children of a task (CONFIG_PROC_CHILDREN); else one pass over /proc does.
HAS_CHILDREN_FILE = os.path.exists("/proc/thread-self/children")

# Positions in /proc/<pid>/stat behind the name, see proc_pid_stat(5).
STATE, PPID, PGRP, SESSION, UTIME, STIME = 0, 1, 2, 3, 11, 12
NICE, THREADS, STARTTIME, VSIZE, RSS = 16, 17, 19, 20, 21
STAT_SIZE = 1024
#: Nearly every file read here is shorter; room for the rest is made when it is needed.
_ENOUGH = 4096
#: States of a process that has ended and waits to be collected.
ENDED = (b"Z", b"X", b"x")


class ProcRef(Record):
    """One process for ever: the number may be given to another one, number and start time together are not.
    """

    pid: int
    starttime: float


def ref_of(pid: int) -> ProcRef | None:
    """The reference of a process that exists (ended and uncollected counts), or None."""
    if not HAS_PROC:
        return _psutil_ref(pid)
    stat = read_stat(pid)
    return None if stat is None else ProcRef(pid, int(stat[STARTTIME]))


def is_same(ref: ProcRef) -> bool:
    """Whether that very process still runs; one that ended and waits to be collected does not."""
    if not HAS_PROC:
        return _psutil_ref(ref.pid) == ref
    stat = read_stat(ref.pid)
    return stat is not None and int(stat[STARTTIME]) == ref.starttime and stat[STATE] not in ENDED


def signal_ref(ref: ProcRef, signum: int) -> bool:
    """Send a signal to that very process; False when it is gone (and nobody else was signalled).

    :raises PermissionError: when it runs as another user and we may not.
    """
    try:
        pidfd = os.pidfd_open(ref.pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):  # without pidfds a tiny gap stays between looking and signalling
        return is_same(ref) and _kill(os.kill, ref.pid, signum)
    try:
        # Asked after the opening: if it is the same now, the descriptor is that of the process we mean.
        return is_same(ref) and _kill(signal.pidfd_send_signal, pidfd, signum)
    finally:
        os.close(pidfd)


def _kill(send: Callable[[int, int], None], target: int, signum: int) -> bool:
    try:
        send(target, signum)
    except ProcessLookupError:
        return False
    return True


def snapshot_trees(pids: Iterable[int]) -> dict[int, tuple[ProcRef, ...]]:
    """What belongs to each of ``pids``, itself not included, from one look at all processes of the machine.

    These are its descendants, and, when it leads a session or a process group, their members: a double fork
    makes a grandchild somebody else's child, but leaves it in the session. Parents come before their
    children. What has ended already is left out; an unknown pid has nothing.
    """
    wanted = list(pids)
    if not HAS_CHILDREN_FILE:
        return _trees_by_parents(wanted)
    company, strangers = _company(set(wanted))
    children: Callable[[int], Iterable[int]] = listed_children
    if len(strangers) <= len(wanted):
        # Who is in none of the sessions is our descendant only if it left one: few processes to ask for a parent.
        kin = _kin(strangers)
        children = lambda pid: kin.get(pid, ())  # noqa: E731 - one of two ways to the same answer
    trees: dict[int, tuple[ProcRef, ...]] = {}
    for root in wanted:
        line = [*children(root), *company.get(root, ())]
        if not line:  # most workers have nobody
            trees[root] = ()
            continue
        members: dict[int, ProcRef | None] = {root: None}
        for pid in line:  # grows while it is walked
            if pid not in members:
                stat = read_stat(pid)
                ended = stat is None or stat[STATE] in ENDED
                members[pid] = None if stat is None or ended else ProcRef(pid, int(stat[STARTTIME]))
                if not ended:
                    line += children(pid)
        trees[root] = tuple(ref for ref in members.values() if ref is not None)
    return trees


def _kin(pids: Iterable[int]) -> dict[int, list[int]]:
    """Those of ``pids`` that have a parent, by its pid."""
    kin: dict[int, list[int]] = {}
    for pid in pids:
        stat = read_stat(pid)
        if stat is not None:
            kin.setdefault(int(stat[PPID]), []).append(pid)
    return kin


def _company(leaders: set[int]) -> tuple[dict[int, list[int]], list[int]]:
    """Members of the sessions and process groups led by ``leaders``, and everybody else but the kernel's own;
    asking the kernel for these two numbers costs a tenth of what its ``stat`` line does.

    Who leads a session is a member of no other one, and of no other process group.
    """
    company: dict[int, list[int]] = {}
    strangers: list[int] = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        pid = int(name)
        try:
            session = os.getsid(pid)
            if session == pid:
                if pid not in leaders:
                    strangers.append(pid)
                continue
            group = os.getpgid(pid)
        except (ProcessLookupError, PermissionError):
            continue
        if session in leaders:
            company.setdefault(session, []).append(pid)
        elif session:  # the kernel's threads are in session 0
            strangers.append(pid)
        if group in leaders and group != session:
            company.setdefault(group, []).append(pid)
    return company, strangers


def _trees_by_parents(wanted: list[int]) -> dict[int, tuple[ProcRef, ...]]:
    """The same where the kernel does not list children: from the parent of every process."""
    roots = set(wanted)
    starts: dict[int, float] = {}
    kin: dict[int, list[int]] = {}
    company: dict[int, list[int]] = {}
    for pid, ppid, pgrp, session, start, ended in all_processes():
        if ended:
            continue
        starts[pid] = start
        kin.setdefault(ppid, []).append(pid)
        if session in roots:
            company.setdefault(session, []).append(pid)
        if pgrp in roots and pgrp != session:
            company.setdefault(pgrp, []).append(pid)
    trees = {}
    for root in wanted:
        members = dict.fromkeys([root])
        line = [*kin.get(root, ()), *company.get(root, ())]
        for pid in line:  # grows while it is walked
            if pid not in members:
                members[pid] = None
                line += kin.get(pid, ())
        trees[root] = tuple(ProcRef(pid, starts[pid]) for pid in members if pid != root)
    return trees


def children_of(pid: int, recursive: bool = False) -> list[int]:
    """Pids of the children of a process, or of all its descendants; none when it is gone.

    Children that have ended and were not collected are among them.
    """
    if not HAS_PROC:
        return _psutil_children(pid, recursive)
    if not HAS_CHILDREN_FILE:
        kin = kin_of_all()
        direct: Callable[[int], Iterable[int]] = lambda parent: kin.get(parent, ())  # noqa: E731
    else:
        direct = listed_children
    found = list(direct(pid))
    if recursive:
        for child in found:  # grows while it is walked
            found.extend(each for each in direct(child) if each not in found)
    return found


def listed_children(pid: int) -> list[int]:
    """Children by the kernel's own list, which each task keeps for itself."""
    try:
        if os.stat(f"/proc/{pid}/task").st_nlink == 3:  # itself, its parent, and one thread
            return [int(child) for child in read_file(f"/proc/{pid}/task/{pid}/children").split()]
        tasks = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []
    found: list[int] = []
    for task in tasks:
        found.extend(map(int, read_file(f"/proc/{pid}/task/{task}/children").split()))
    return found


def kin_of_all() -> dict[int, list[int]]:
    """Children by the pid of their parent, for the whole machine."""
    kin: dict[int, list[int]] = {}
    for pid, ppid, *_ in all_processes():
        kin.setdefault(ppid, []).append(pid)
    return kin


def all_processes() -> Iterator[tuple[int, int, int, int, float, bool]]:
    """(pid, parent, process group, session, start time, has ended) of all processes of the machine."""
    if not HAS_PROC:
        yield from _psutil_processes()
        return
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in os.listdir(proc):
            if not name.isdecimal():
                continue
            try:
                fd = os.open(name + "/stat", os.O_RDONLY, dir_fd=proc)
            except (FileNotFoundError, ProcessLookupError):
                continue
            try:
                data = os.read(fd, STAT_SIZE)
            except ProcessLookupError:
                continue
            finally:
                os.close(fd)
            stat = data.rpartition(b") ")[2].split(None, STARTTIME + 1)
            ended = stat[STATE] in ENDED
            yield int(name), int(stat[PPID]), int(stat[PGRP]), int(stat[SESSION]), int(stat[STARTTIME]), ended
    finally:
        os.close(proc)


def read_file(path: str) -> bytes:
    """Content of a file of /proc; empty when the process is gone.

    :raises PermissionError: when it is refused.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, ProcessLookupError):
        return b""
    try:
        data = os.read(fd, _ENOUGH)
        if len(data) == _ENOUGH:
            while more := os.read(fd, 1 << 20):
                data += more
        return data
    except ProcessLookupError:
        return b""
    finally:
        os.close(fd)


def read_stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/<pid>/stat behind the name (which may hold blanks and brackets), or None."""
    data = read_file(f"/proc/{pid}/stat")
    return data.rpartition(b") ")[2].split(None, RSS + 1) if data else None


# -- without /proc
# -----------------------------------------------------------------------------------------------


def _psutil_ref(pid: int) -> ProcRef | None:
    import psutil  # kept off the start path

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else ProcRef(pid, process.create_time())
    except psutil.NoSuchProcess:
        return None


def _psutil_children(pid: int, recursive: bool) -> list[int]:
    import psutil  # kept off the start path

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=recursive)]
    except psutil.NoSuchProcess:
        return []


def _psutil_processes() -> Iterator[tuple[int, int, int, int, float, bool]]:
    import psutil  # kept off the start path

    for process in psutil.process_iter():
        try:
            pid = process.pid
            ended = process.status() == psutil.STATUS_ZOMBIE
            yield pid, process.ppid(), os.getpgid(pid), os.getsid(pid), process.create_time(), ended
        except (psutil.Error, OSError):
            continue
