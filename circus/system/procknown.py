"""What is remembered of one process between two looks at it, with the descriptors kept for looking.

A part of ``circus.system.procinfo``.
"""

from __future__ import annotations

import os
from typing import Any

from circus.system.procdetail import UNKNOWN_DETAIL
from circus.system.proctable import STAT_SIZE, read_file


class Known:
    """What a :class:`~circus.system.procinfo.Sampler` remembers of one process."""

    __slots__ = (
        "at",
        "children_fd",
        "cmdline",
        "create_time",
        "data",
        "detail",
        "detail_at",
        "facts_until",
        "fd",
        "info",
        "kids",
        "name",
        "pid",
        "rss",
        "start",
        "threads",
        "ticks",
        "user",
        "vms",
    )

    def __init__(self, pid: int, start: int) -> None:
        self.pid, self.start = pid, start
        self.fd = self.children_fd = -1
        self.at = self.facts_until = self.create_time = self.detail_at = 0.0
        self.ticks, self.threads = 0, 1
        self.rss = self.vms = 0
        self.detail: dict[str, int | None] = UNKNOWN_DETAIL
        self.name = self.data = b""
        self.info: dict[str, Any] = {}
        self.user = self.cmdline = "N/A"
        #: Pids of its children at the last look.
        self.kids: list[int] = []

    def keep(self, path: str) -> bool:
        """Open its ``stat`` file for good; False when that is not to be had."""
        try:
            self.fd = os.open(path, os.O_RDONLY)
        except OSError:  # gone, or too many open files: read() opens the file each time, or finds it gone
            return False
        return True

    def keep_children(self) -> int:
        """Open its list of children for good; returns how many descriptors that took."""
        try:
            self.children_fd = os.open(f"/proc/{self.pid}/task/{self.pid}/children", os.O_RDONLY)
        except OSError:
            return 0
        return 1

    def read(self) -> bytes:
        """The ``stat`` line, empty when the process is gone; a kept descriptor never shows another one's."""
        if self.fd < 0:
            return read_file(f"/proc/{self.pid}/stat")
        try:
            return os.pread(self.fd, STAT_SIZE, 0)
        except ProcessLookupError:
            return b""

    def read_children(self) -> list[int]:
        """Children of its first thread."""
        if self.children_fd < 0:
            data = read_file(f"/proc/{self.pid}/task/{self.pid}/children")
        else:
            try:
                data = os.pread(self.children_fd, 1024, 0)
                if len(data) == 1024:  # a large family; room for one each time would cost more
                    data = os.pread(self.children_fd, 1 << 20, 0)
            except ProcessLookupError:
                return []
        return [int(kid) for kid in data.split()] if data else []

    def close(self) -> int:
        """Give the descriptors back and tell how many they were."""
        kept = [fd for fd in (self.fd, self.children_fd) if fd >= 0]
        self.fd = self.children_fd = -1
        for fd in kept:
            os.close(fd)
        return len(kept)
