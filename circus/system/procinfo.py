"""Facts about running processes: what each one uses, in the shape that replies have.

With ``circus.process`` and the parts below it (``proctable``, ``psobjects``) the only module that reads
``/proc`` or asks psutil, which on Linux is imported for objects of psutil only. Called by the ``stats``
command and ``circusd-stats`` (:class:`Sampler`) and by embedding programs (:func:`get_info`); the watcher
takes its process trees from here, too. A process that ends while it is looked at is left out.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from circus.base.convert import bytes2human, get_username_from_uid
from circus.system.procdetail import read_detail
from circus.system.procknown import Known
from circus.system.proctable import (
    ENDED,
    HAS_CHILDREN_FILE,
    HAS_PROC,
    NICE,
    RSS,
    STARTTIME,
    STATE,
    STIME,
    THREADS,
    UTIME,
    VSIZE,
    ProcRef,
    children_of,
    is_same,
    kin_of_all,
    listed_children,
    read_file,
    read_stat,
    ref_of,
    signal_ref,
    snapshot_trees,
)
from circus.system.psobjects import figures_by_methods, info_by_methods

__all__ = ["ProcRef", "Sampler", "children_of", "get_info", "is_same", "ref_of", "sampler", "signal_ref",
           "snapshot_trees"]

if HAS_PROC:
    _HZ: int = os.sysconf("SC_CLK_TCK")
    _PAGE: int = os.sysconf("SC_PAGE_SIZE")
    _RAM: int = os.sysconf("SC_PHYS_PAGES") * _PAGE

#: Name, user and command line are read again after that many seconds, as programs may change theirs.
_FACTS_FOR = 60.0
#: A younger process may still be on its way to its final program and user: they are read again this often.
_SETTLED_AFTER = 3.0
_UNSETTLED_FACTS_FOR = 0.5
#: A process nobody asked about for that long is forgotten.
_UNUSED_FOR = 120.0
#: Seconds between two looks of :meth:`Sampler.figures` at what costs more than the ``stat`` line: descriptors,
#: input and output, context switches, the children of programs with threads.
DETAIL_EVERY = 5.0
#: More tasks than that to list children of, and one pass over /proc is cheaper.
_MANY_TASKS = 256


def get_info(process: Any = None, interval: float = 0, with_childs: bool = False) -> dict[str, Any]:
    """What one process uses, in the shape of spec wire.md 5.6.

    :param process: a pid, an object with psutil's methods (old names are understood, too), or None for us.
    :param interval: seconds to measure the CPU use over, blocking; 0 compares with the last call.
    :param with_childs: also put the same facts of its direct children under ``children``.
    :raises psutil.NoSuchProcess: when it is gone. What the system refuses to tell is ``N/A``.
    """
    if process is None:
        process = os.getpid()
    if not isinstance(process, int):
        return info_by_methods(process, interval, with_childs)
    if interval:
        sampler.infos([process], children=False)
        time.sleep(interval)
    info = sampler.infos([process], children=with_childs).get(process)
    if info is None:
        import psutil  # kept off the start path

        raise psutil.NoSuchProcess(process)
    return info


class Sampler:
    """What many processes use, at the price of one ``pread`` each.

    Remembers, per process, the descriptor of its ``stat`` file, the last CPU time and what rarely changes.
    May be called from any thread, by one at a time.
    """

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}
        self._by_psutil: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._sweep_at = 0.0
        self._users: dict[int, str] = {}
        self._boot_time = 0.0
        self._kept_max: int | None = None
        self._kept = 0

    def infos(self, pids: Iterable[int], children: bool = True) -> dict[int, dict[str, Any]]:
        """Facts by pid in the shape of spec wire.md 5.6; processes that are gone, or ended, are left out.

        :param children: also the same facts of each one's direct children.
        """
        with self._lock:
            if not HAS_PROC:
                return self._infos_by_psutil(pids, children)
            now = time.monotonic()
            age_base = _since_boot()
            self._boot_time = time.time() - age_base
            found: dict[int, dict[str, Any]] = {}
            for pid in pids:
                info = self._sample(pid, now, age_base)
                if info is not None and info["nice"] != "Zombie":
                    found[pid] = info
            if children:
                listed = self._children(found)
                self._forget_lost_children(found, listed)
                for pid, kids in listed.items():
                    infos = (self._sample(kid, now, age_base) for kid in kids)
                    found[pid]["children"] = [info for info in infos if info is not None]
            if now >= self._sweep_at:
                self._sweep(now)
            return found

    def figures(self, pids: Iterable[int], children: bool = True) -> dict[int, dict[str, Any]]:
        """The facts of :meth:`infos` without its list of children, and numbers for those who reckon, by pid.

        ``rss`` and ``vms`` in bytes, ``threads``, ``cpu_time`` in seconds; ``children_count``, ``children_cpu`` and
        ``children_rss``, of the direct children; and, at most :data:`DETAIL_EVERY` seconds old, ``fds``,
        ``read_bytes``, ``write_bytes`` and ``ctx_switches``, which are None when the system refuses to tell.
        The dicts are the caller's.

        :param children: False: leave the numbers of children 0, for a process whose children are asked about anyway.
        """
        with self._lock:
            if not HAS_PROC:
                return self._figures_by_psutil(pids, children)
            now = time.monotonic()
            age_base = _since_boot()
            self._boot_time = time.time() - age_base
            found: dict[int, dict[str, Any]] = {}
            for pid in pids:
                info = self._sample(pid, now, age_base)
                if info is None or info["nice"] == "Zombie":
                    continue
                found[pid] = info
                known = self._known[pid]
                if now >= known.detail_at:
                    self._look_closer(known, now, children)
                elif children and known.threads == 1:
                    self._take_kids(known, self._read_children(known))
                info["rss"] = known.rss
                info["vms"] = known.vms
                info["threads"] = known.threads
                info["cpu_time"] = known.ticks / _HZ
                info.update(known.detail)
                if known.kids:
                    self._sum_kids(known, info, now, age_base)
                else:
                    info["children_count"] = info["children_rss"] = 0
                    info["children_cpu"] = 0.0
            if now >= self._sweep_at:
                self._sweep(now)
            return found

    def forget(self, pid: int) -> None:
        """Drop what is known of a process that has ended; unknown pids are fine."""
        with self._lock:
            self._by_psutil.pop(pid, None)
            self._drop(pid)

    def close(self) -> None:
        """Give all descriptors back; the next call starts anew."""
        with self._lock:
            self._by_psutil.clear()
            for pid in list(self._known):
                self._drop(pid)

    def __len__(self) -> int:
        return len(self._known) + len(self._by_psutil)

    def _sample(self, pid: int, now: float, age_base: float) -> dict[str, Any] | None:
        known = self._known.get(pid)
        data = b""
        if known is not None:
            data = known.read()
            if not data:
                self._drop(pid)
        if not data:
            known = self._meet(pid)
            if known is None or not (data := known.read()):
                return None
        assert known is not None
        if known.at == now:  # asked about twice at the same moment: as itself, and as somebody's child
            return {**known.info, "children": []}
        if data == known.data and now < known.facts_until:  # most workers idle: their line stays the same
            known.at = now
            known.info["cpu"], known.info["age"] = 0.0, age_base - known.start / _HZ
            return {**known.info, "children": []}
        return self._take_apart(known, data, now, age_base)

    def _take_apart(self, known: Known, data: bytes, now: float, age_base: float) -> dict[str, Any] | None:
        name, _, rest = data.rpartition(b") ")
        stat = rest.split(None, RSS + 1)
        start = int(stat[STARTTIME])
        if start != known.start:  # a reader without a kept descriptor met another process of that number
            self._drop(known.pid)
            return self._sample(known.pid, now, age_base)
        age = age_base - start / _HZ
        if name != known.name or now >= known.facts_until:
            self._learn(known, name, now, age)
        ticks = int(stat[UTIME]) + int(stat[STIME])
        cpu = 0.0
        if known.at and now > known.at:
            cpu = round(100 * (ticks - known.ticks) / _HZ / (now - known.at), 1)
        known.ticks, known.at, known.threads = ticks, now, int(stat[THREADS])
        known.rss = rss = int(stat[RSS]) * _PAGE
        known.vms = int(stat[VSIZE])
        hundredths = ticks * 100 // _HZ
        known.data = data
        known.info = {
            "mem_info1": bytes2human(rss),
            "mem_info2": bytes2human(known.vms),
            "cpu": cpu,
            "mem": round(100 * rss / _RAM, 3),
            "ctime": f"{hundredths // 6000}:{hundredths // 100 % 60:02}.{hundredths % 100:02}",
            "pid": known.pid,
            "username": known.user,
            "nice": "Zombie" if stat[STATE] in ENDED else int(stat[NICE]),
            "create_time": known.create_time,
            "age": age,
            "cmdline": known.cmdline,
            "children": [],
        }
        return {**known.info, "children": []}

    def _meet(self, pid: int) -> Known | None:
        """Begin to know a process, with a kept descriptor as long as there are plenty of those."""
        if self._kept_max is None:
            import resource  # kept off the start path

            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            self._kept_max = 4096 if soft == resource.RLIM_INFINITY else min(4096, soft // 4)
        stat = read_stat(pid)
        if stat is None:
            return None
        known = self._known[pid] = Known(pid, int(stat[STARTTIME]))
        if self._kept < self._kept_max and known.keep(f"/proc/{pid}/stat"):
            self._kept += 1
        return known

    def _learn(self, known: Known, name: bytes, now: float, age: float) -> None:
        """Read what rarely changes."""
        known.name = name
        known.facts_until = now + (_FACTS_FOR if age > _SETTLED_AFTER else _UNSETTLED_FACTS_FOR)
        known.create_time = round(self._boot_time + known.start / _HZ, 2)
        command = _denied(read_file, f"/proc/{known.pid}/cmdline")
        if command == "N/A":
            known.cmdline = "N/A"
        else:
            words = command.split(b"\0", 1)[0] or name.partition(b"(")[2]
            known.cmdline = os.fsdecode(words).rpartition("/")[2]
        status = _denied(read_file, f"/proc/{known.pid}/status")
        known.user = "N/A" if status == "N/A" else self._user_of(status)

    def _user_of(self, status: bytes) -> str:
        ids = status.partition(b"\nUid:")[2].split(None, 1)
        if not ids:
            return "N/A"
        uid = int(ids[0])
        if uid not in self._users:
            if len(self._users) > 1000:
                self._users.clear()
            try:
                self._users[uid] = get_username_from_uid(uid)
            except KeyError:  # a number without a name
                self._users[uid] = str(uid)
        return self._users[uid]

    def _children(self, found: Iterable[int]) -> dict[int, list[int]]:
        known = [self._known[pid] for pid in found if pid in self._known]
        if not HAS_CHILDREN_FILE or sum(each.threads for each in known if each.threads > 1) > _MANY_TASKS:
            kin = kin_of_all()
            return {each.pid: kin[each.pid] for each in known if each.pid in kin}
        listed = {}
        for each in known:
            kids = listed_children(each.pid) if each.threads > 1 else self._read_children(each)
            if kids:
                listed[each.pid] = kids
        return listed

    def _read_children(self, known: Known) -> list[int]:
        """Children of a program without further threads."""
        if not HAS_CHILDREN_FILE:
            return known.kids
        if known.children_fd < 0 and known.fd >= 0 and self._kept < (self._kept_max or 0):
            self._kept += known.keep_children()
        return known.read_children()

    def _look_closer(self, known: Known, now: float, children: bool) -> None:
        """Read what costs more; the looks at many processes that were met together spread over the seconds."""
        pause = DETAIL_EVERY if known.detail_at else DETAIL_EVERY * (8 + known.pid % 8) / 16
        known.detail_at = now + pause
        known.detail = read_detail(known.pid)
        if children:
            many = known.threads > 1 or not HAS_CHILDREN_FILE
            self._take_kids(known, children_of(known.pid) if many else self._read_children(known))

    def _take_kids(self, known: Known, kids: list[int]) -> None:
        """These are its children now; nothing is remembered of those that are not any more."""
        for kid in known.kids:
            if kid not in kids:
                self._drop(kid)
        known.kids = kids

    def _sum_kids(self, known: Known, info: dict[str, Any], now: float, age_base: float) -> None:
        count, cpu, rss = 0, 0.0, 0
        for kid in known.kids:
            sample = self._sample(kid, now, age_base)
            if sample is not None and sample["nice"] != "Zombie":
                count, cpu, rss = count + 1, cpu + sample["cpu"], rss + self._known[kid].rss
        info["children_count"], info["children_cpu"], info["children_rss"] = count, round(cpu, 1), rss

    def _forget_lost_children(self, parents: Iterable[int], listed: Mapping[int, list[int]]) -> None:
        """Nobody tells when a child of a worker has ended; some workers have thousands, one after the other."""
        for pid in parents:
            known = self._known.get(pid)
            if known is not None and (known.kids or pid in listed):
                self._take_kids(known, listed.get(pid, []))

    def _sweep(self, now: float) -> None:
        """Forget what nobody asked about for a while; users may be renamed, too."""
        self._sweep_at = now + _UNUSED_FOR / 2
        self._users.clear()
        for pid, known in list(self._known.items()):
            if known.at + _UNUSED_FOR < now:
                self._drop(pid)

    def _drop(self, pid: int) -> None:
        known = self._known.pop(pid, None)
        if known is not None:
            self._kept -= known.close()
            for kid in known.kids:
                self._drop(kid)

    def _infos_by_psutil(self, pids: Iterable[int], children: bool) -> dict[int, dict[str, Any]]:
        import psutil  # kept off the start path

        found = {}
        for pid in pids:
            try:
                process = self._by_psutil.get(pid)
                if process is None or not process.is_running():
                    process = self._by_psutil[pid] = psutil.Process(pid)
                found[pid] = info_by_methods(process, 0, children)
            except psutil.NoSuchProcess:
                self._by_psutil.pop(pid, None)
        return found

    def _figures_by_psutil(self, pids: Iterable[int], children: bool) -> dict[int, dict[str, Any]]:
        import psutil  # kept off the start path

        wanted = list(pids)
        found = self._infos_by_psutil(wanted, children=False)
        for pid in list(found):
            try:
                found[pid].update(figures_by_methods(self._by_psutil[pid], children))
            except psutil.NoSuchProcess:
                del found[pid]
        for pid in set(self._by_psutil) - set(wanted):
            del self._by_psutil[pid]
        return found


def _since_boot() -> float:
    """Seconds since the machine started, suspended time included: the clock that start times are reckoned by.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _denied(ask: Callable[..., Any], *arguments: Any) -> Any:
    """The answer, or ``N/A`` when the system refuses it."""
    try:
        return ask(*arguments)
    except PermissionError:
        return "N/A"


#: The one behind :func:`get_info`, ``Process.info`` and the ``stats`` command, so that their CPU figures
#: agree.
sampler = Sampler()
#: What it remembers, under the name that Circus 0.19 had for such a table.
_PROCS = sampler._known
