"""What this machine and this interpreter can do.

Asked by launch, reaper and the programs before they choose a way; policy stays with them.
"""

from __future__ import annotations

import functools
import os
import sys

#: The daemon needs POSIX; the client programs run here too.
IS_WINDOWS = sys.platform == "win32"
#: Where output goes that nobody wants.
REDIRECT_TO = os.devnull
#: Number of descriptors to close when the system does not tell its limit.
MAXFD = 1024


def get_python_version() -> tuple[int, int, int]:
    """Major, minor and micro number of the running Python."""
    return sys.version_info[:3]


@functools.cache
def has_pidfd() -> bool:
    """True when a child's end can be awaited on a descriptor (``pidfd_open(2)``, Linux 5.3).

    Python having the function is not enough: the kernel, or a seccomp filter of a container, may refuse it.
    """
    pidfd_open = getattr(os, "pidfd_open", None)
    if pidfd_open is None:
        return False
    try:
        fd = pidfd_open(os.getpid())
    except OSError:
        return False
    os.close(fd)
    return True


def close_on_exec(fd: int) -> None:
    """Keep ``fd`` from programs started later. :raises OSError: when ``fd`` is not open."""
    os.set_inheritable(fd, False)


def _setproctitle(title: str) -> None:
    """Show ``title`` in ``ps``; does nothing when the setproctitle package is missing."""
    try:
        from setproctitle import setproctitle  # type: ignore[import-not-found,unused-ignore]  # optional
    except ImportError:
        return
    setproctitle(title)
