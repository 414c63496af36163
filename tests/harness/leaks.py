"""What a test may leave behind in the test process: nothing. Processes, descriptors, listeners, threads."""

from __future__ import annotations

import gc
import os
import socket
import stat
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.paths import socket_name
from harness.processes import descendants, describe, is_alive, is_ending, kill_all
from harness.waiting import eventually


@dataclass(frozen=True)
class Snapshot:
    """What the test process owns at one moment."""

    processes: frozenset[psutil.Process]
    descriptors: dict[int, str]
    threads: frozenset[threading.Thread]

    @classmethod
    def take(cls) -> Snapshot:
        gc.collect()  # sockets that are only waiting for the collector are no leak
        return cls(frozenset(descendants()), open_descriptors(), frozenset(threading.enumerate()))


def open_descriptors() -> dict[int, str]:
    """Descriptors of this process and what each refers to; listening sockets are told apart from others."""
    found = {}
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []:
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the descriptor of the listing itself
    return found


def living_sockets(directory: Path) -> list[Path]:
    """Unix socket files below a directory on which somebody still listens."""
    found = []
    for path in directory.rglob("*"):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            continue
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(socket_name(path)) == 0:
                found.append(path)
    return found


def assert_nothing_left(before: Snapshot, directory: Path | None = None, deadline: float = 5.0) -> None:
    """Fail if the test process owns more than it did; what it owns too much of processes is killed.

    :param before: taken before the test.
    :param directory: where the test may have made unix sockets.
    :param deadline: seconds that threads and sockets have to end by themselves.
    """

    def clean() -> bool:
        now = Snapshot.take()
        new = {fd: what for fd, what in now.descriptors.items() if before.descriptors.get(fd) != what}
        # The count decides: a descriptor that was closed and opened again is none too many.
        assert len(now.descriptors) <= len(before.descriptors), f"descriptors left open: {new}"
        threads = now.threads - before.threads
        assert not threads, f"threads left running: {threads}"
        listening = living_sockets(directory) if directory else []
        assert not listening, f"somebody still listens on {listening}"
        return True

    new = descendants() - before.processes
    # An adopted zombie only waits to be collected, and who was killed, for his turn to become one.
    left = {process for process in new if is_alive(process) and not is_ending(process)}
    told = describe(left)
    kill_all(new)
    assert not left, f"processes left behind:\n{told}"
    eventually(clean, deadline, interval=0.02)
