"""How much of a process's memory is its own, and its share of what it has in common with others.

The kernel walks all pages of the process for that: it costs up to milliseconds, where the rest costs microseconds. So
it is read when somebody asks, and never along with the others. Called by :mod:`circus.stats.history`. Linux; see
proc_pid_smaps(5).
"""

from __future__ import annotations

from circus.system.proctable import read_file


def read_shares(pid: int) -> dict[str, int] | None:
    """``pss`` (shared pages divided by the number of those who share them), ``uss`` (what ending it would give back)
    and ``swap``, in bytes; None when it is gone or the system refuses to tell.
    """
    try:
        words = read_file(f"/proc/{pid}/smaps_rollup").split()
    except OSError:  # another user's, or a kernel before 4.14
        return None
    sizes = {name: int(size) << 10 for name, size, unit in zip(words, words[1:], words[2:], strict=False)
             if unit == b"kB" and name.endswith(b":")}
    if b"Pss:" not in sizes:  # gone, or a kernel thread
        return None
    own = (b"Private_Clean:", b"Private_Dirty:", b"Private_Hugetlb:")
    return {
        "pss": sizes[b"Pss:"],
        "uss": sum(sizes.get(name, 0) for name in own),
        "swap": sizes.get(b"SwapPss:", 0),
    }
