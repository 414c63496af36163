"""What costs more to ask about a process than its ``stat`` line: descriptors, input and output, context switches.

A part of ``circus.system.procinfo``, which asks only every few seconds. Linux; see proc_pid_io(5), proc_pid_fd(5) and
proc_pid_status(5).
"""

from __future__ import annotations

import os

from circus.system.proctable import read_file

#: The answer when nothing could be asked yet.
UNKNOWN_DETAIL: dict[str, int | None] = dict.fromkeys(("fds", "read_bytes", "write_bytes", "ctx_switches"))


def _fd_directories_have_sizes() -> bool:
    """Since Linux 6.2 the size of ``/proc/<pid>/fd`` is the number of open descriptors, before it was 0."""
    try:
        return os.stat("/proc/self/fd").st_size > 0
    except OSError:
        return False


_HAS_SIZES = _fd_directories_have_sizes()


def read_detail(pid: int) -> dict[str, int | None]:
    """``fds``, ``read_bytes``, ``write_bytes``, ``ctx_switches``; None for what the system refuses to tell."""
    read, written = _traffic(pid)
    return {
        "fds": _count_descriptors(pid), "read_bytes": read, "write_bytes": written, "ctx_switches": _switches(pid),
    }


def _count_descriptors(pid: int) -> int | None:
    path = f"/proc/{pid}/fd"
    try:
        return os.stat(path).st_size if _HAS_SIZES else len(os.listdir(path))
    except OSError:  # gone, or another user's
        return None


def _traffic(pid: int) -> tuple[int | None, int | None]:
    """Bytes that were really read from and written to storage."""
    try:
        lines = read_file(f"/proc/{pid}/io").split()
    except OSError:  # another user's
        return None, None
    try:
        return int(lines[lines.index(b"read_bytes:") + 1]), int(lines[lines.index(b"write_bytes:") + 1])
    except ValueError:  # gone
        return None, None


def _switches(pid: int) -> int | None:
    try:
        text = read_file(f"/proc/{pid}/status")
    except OSError:
        return None
    _, mark, counts = text.partition(b"\nvoluntary_ctxt_switches:")
    if not mark:  # gone
        return None
    words = counts.split(None, 3)
    return int(words[0]) + int(words[2])
