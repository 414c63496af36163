"""Facts about one process by the methods of its psutil object, whatever version of psutil that follows.

For ``circus.system.procinfo`` on systems without ``/proc`` and for objects handed in by embedding programs;
psutil itself is imported only then. What the system refuses to tell is ``N/A``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from circus.base.convert import bytes2human


def _ask(process: Any, name: str, *arguments: Any, **options: Any) -> Any:
    """``process.name()``, under the name of psutil 1 where there is no other."""
    found = getattr(process, name, None)
    if found is None:
        found = getattr(process, "get_" + name)
    return found(*arguments, **options) if callable(found) else found


def get_children(proc: Any, recursive: bool = False) -> Any:
    """Children of a psutil process."""
    return _ask(proc, "children", recursive=recursive)


def get_memory_info(proc: Any) -> Any:
    """Resident and virtual size in bytes, as attributes ``rss`` and ``vms``."""
    return _ask(proc, "memory_info")


def get_cpu_percent(proc: Any, **kw: Any) -> Any:
    """Per cent of one CPU since the last call, or over ``interval`` seconds."""
    return _ask(proc, "cpu_percent", **kw)


def get_memory_percent(proc: Any) -> Any:
    """Per cent of the memory of the machine."""
    return _ask(proc, "memory_percent")


def get_cpu_times(proc: Any) -> Any:
    """Seconds of CPU used, as attributes ``user`` and ``system``."""
    return _ask(proc, "cpu_times")


def get_nice(proc: Any) -> Any:
    """Priority, -20 to 19."""
    return _ask(proc, "nice")


def get_cmdline(proc: Any) -> Any:
    """The words of its command line."""
    return _ask(proc, "cmdline")


def get_create_time(proc: Any) -> Any:
    """When it started, in seconds since the epoch."""
    return _ask(proc, "create_time")


def get_username(proc: Any) -> Any:
    """Name of its user."""
    return _ask(proc, "username")


def get_status(proc: Any) -> Any:
    """Its state, one of psutil's words."""
    return _ask(proc, "status")


def info_by_methods(process: Any, interval: float, with_childs: bool) -> dict[str, Any]:
    import psutil  # kept off the start path

    def ask(question: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return question(*arguments, **options)
        except psutil.AccessDenied:
            return "N/A"

    memory = ask(get_memory_info, process)
    share = ask(get_memory_percent, process)
    times = ask(get_cpu_times, process)
    created = ask(get_create_time, process)
    words = ask(get_cmdline, process)
    kids = ask(get_children, process) if with_childs else []
    hundredths = 0 if times == "N/A" else int((times.user + times.system) * 100)
    try:
        nice = ask(get_nice, process)
    except psutil.ZombieProcess:
        nice = "Zombie"
    infos = []
    for kid in () if kids == "N/A" else kids:
        try:
            infos.append(info_by_methods(kid, interval, False))
        except psutil.NoSuchProcess:  # ended meanwhile
            continue
    return {
        "mem_info1": memory if memory == "N/A" else bytes2human(memory.rss),
        "mem_info2": memory if memory == "N/A" else bytes2human(memory.vms),
        "cpu": ask(get_cpu_percent, process, interval=interval),
        "mem": share if share == "N/A" else round(share, 3),
        "ctime": times if times == "N/A" else
        f"{hundredths // 6000}:{hundredths // 100 % 60:02}.{hundredths % 100:02}",
        "pid": ask(lambda: process.pid),
        "username": ask(get_username, process),
        "nice": nice,
        "create_time": created,
        "age": created if created == "N/A" else time.time() - created,
        "cmdline": words if words == "N/A" else os.path.basename(words[0]) if words else "N/A",
        "children": infos,
    }


def figures_by_methods(process: Any, children: bool) -> dict[str, Any]:
    """What :meth:`circus.system.procinfo.Sampler.figures` adds, of a psutil object; None where it is refused."""
    import psutil  # kept off the start path

    def ask(question: str) -> Any:
        try:
            return getattr(process, question)()
        except (AttributeError, NotImplementedError, psutil.AccessDenied):
            return None

    memory, traffic, switches, times = ask("memory_info"), ask("io_counters"), ask("num_ctx_switches"), ask("cpu_times")
    kids = []
    for kid in (ask("children") or ()) if children else ():
        try:
            kids.append((kid.cpu_percent(), kid.memory_info().rss))
        except psutil.Error:
            continue
    return {
        "rss": memory.rss if memory else None,
        "vms": memory.vms if memory else None,
        "threads": ask("num_threads"),
        "cpu_time": round(times.user + times.system, 2) if times else None,
        "fds": ask("num_fds"),
        "read_bytes": traffic.read_bytes if traffic else None,
        "write_bytes": traffic.write_bytes if traffic else None,
        "ctx_switches": switches.voluntary + switches.involuntary if switches else None,
        "children_count": len(kids),
        "children_cpu": round(sum(cpu for cpu, _ in kids), 1),
        "children_rss": sum(rss for _, rss in kids),
    }


class WorkerView:
    """What a ``psutil.Popen`` of a worker would offer, for programs that reach for ``Process._worker``.

    psutil is asked when one of its attributes is wanted.
    """

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid, self.stdin, self.stdout, self.stderr = process.pid, None, process.stdout, process.stderr

    @property
    def returncode(self) -> int | None:
        """As of ``Popen``: None until somebody looked."""
        found: int | None = self._process.returncode()
        return found

    def poll(self) -> int | None:
        """As of ``Popen``."""
        found: int | None = self._process.poll()
        return found

    def wait(self, timeout: float | None = None) -> int | None:
        """As of ``Popen``: blocks, and gives the exit status."""
        self._process.wait(timeout)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """As of ``Popen``; never hits a process that was given the number later."""
        self._process.send_signal(sig)

    def __getattr__(self, name: str) -> Any:
        import psutil  # kept off the start path

        return getattr(psutil.Process(self.pid), name)
