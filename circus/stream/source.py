"""One stream of one worker: whose it is, its ring, and how far it was published.

Made by :mod:`circus.stream.tail`, and moved on by :mod:`circus.stream.live`.
"""

from __future__ import annotations

from typing import Any, Protocol

from circus.stream.ring import Ring

__all__ = ["Position", "Source", "Speaker"]


class Speaker(Protocol):
    """Whose output it is; :class:`circus.watcher.Watcher` is one."""

    name: str
    res_name: str
    #: Its processes by pid, until their end was dealt with.
    processes: dict[int, Any]


class Position:
    """How far a source was published, in one following (``session``).

    ``cursor`` is where the next line begins; ``passed`` counts the ends of lines before it since the counting began;
    ``seq`` is the number of the next line, ``lost`` how many were skipped since the last message.
    """

    __slots__ = ("cursor", "lost", "passed", "quiet_at", "seen", "seq", "session")

    def __init__(self) -> None:
        self.begin(0, 0, 0, 0.0)

    def begin(self, session: int, cursor: int, seen: int, quiet_at: float) -> None:
        """Start anew at ``cursor``."""
        self.session, self.cursor = session, cursor
        self.passed = self.seq = self.lost = 0
        #: End of what the last look saw, and when (on the loop's clock) silence will have lasted long enough.
        self.seen, self.quiet_at = seen, quiet_at


class Source:
    """One stream of one worker.

    :param process: the worker; has ``pid`` and ``wid``.
    :param stream: ``stdout`` or ``stderr``.
    """

    __slots__ = ("ended", "pid", "position", "process", "ring", "stream", "wid")

    def __init__(self, process: Any, stream: str, capacity: int) -> None:
        self.process, self.stream = process, stream
        self.pid: int = process.pid
        self.wid: int = process.wid
        self.ring = Ring(capacity)
        #: How far it was published, while somebody follows.
        self.position = Position()
        #: Its worker is dead. A grandchild may still write.
        self.ended = False

    @property
    def key(self) -> str:
        """How replies call it: ``<pid>.<stream>``."""
        return f"{self.pid}.{self.stream}"
