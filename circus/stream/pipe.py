"""The read end of one worker's stdout or stderr, as the pump sees it.

Made by the redirector, read by the pump. The rule that makes descriptors safe: ``fd`` is read and
(un)registered only with ``lock`` held and ``lane`` set; :meth:`Pipe.detach` unsets it under the lock, and
after that whoever owns the file may close it. The lock is held for a non-blocking read at most, never during
a call of a sink.
"""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING, Any

from circus.stream.lines import LineAssembler

if TYPE_CHECKING:
    from circus.stream.channel import Channel, Route
    from circus.stream.lane import Lane

__all__ = ["Pipe"]

#: What a pipe holds when it is made. Small writes waste up to half of its pages, so that a read of half of it
#: may mean that the worker is waiting for us.
PIPE_CAPACITY = 1 << 16
#: Such a pipe is made this large (pipe(7)), and read in slices of READ_SIZE, bytes.
LARGE_CAPACITY = 1 << 20
READ_SIZE = 1 << 18
#: Pipes that are large at one time, so that the kernel's memory and a user's share of it (64 MiB) are not
#: used up.
LARGE_AT_MOST = 32

_large: set[int] = set()


class Pipe:
    """One pipe.

    :param file: the worker's end of it: anything with ``fileno()``.
    :param pid: of the worker.
    :param channel: where its output goes.
    :raises OSError: when the descriptor cannot be made non-blocking; ValueError when the file is closed.
    """

    __slots__ = (
        "brim",
        "busy",
        "channel",
        "fd",
        "file",
        "lane",
        "lines",
        "lock",
        "on_end",
        "pid",
        "read_size",
    )

    def __init__(self, file: Any, pid: int, channel: Channel) -> None:
        self.file, self.pid, self.channel = file, pid, channel
        self.fd: int = file.fileno()
        os.set_blocking(self.fd, False)
        self.lock = threading.Lock()
        #: The lane that reads it; None when it is not read (not started, ended, or taken away).
        self.lane: Lane | None = None
        #: Something that was read, or the end of a line, is on its way to the sink.
        self.busy = False
        self.lines = LineAssembler()
        self.read_size = PIPE_CAPACITY
        #: A read of so many bytes means that the pipe must not be left alone for long.
        self.brim = PIPE_CAPACITY // 4
        #: Called with the pipe when it has ended and all is handed over, on the pump's thread.
        self.on_end: Any = None

    @property
    def owned(self) -> bool:
        """The descriptor is a copy of our own, and ours to close."""
        return self.file is None

    def attach(self, lane: Lane) -> None:
        """Be read by ``lane`` from now on. Under the pump's lock and ``lock``."""
        if self.lane is not None:
            self.lane.drop(self)
        self.lane = lane
        lane.take(self)

    def detach(self) -> None:
        """Not be read any more; a descriptor of our own is closed. Under ``lock``."""
        if self.lane is not None:
            self.lane.drop(self)
            self.lane = None
        _large.discard(id(self))
        if self.owned and self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def adopt(self) -> None:
        """Go on with a copy of the descriptor, so that the worker's file may be closed. Under both locks.

        :raises OSError: when there is no descriptor left for the copy.
        """
        if self.owned:
            return
        copy = os.dup(self.fd)
        lane = self.lane
        if lane is not None:
            lane.drop(self)
        self.file, self.fd = None, copy
        if lane is not None:
            lane.take(self)

    def read(self) -> bytes | None:
        """The next slice, empty at the end of file and None when there is nothing now. Under ``lock``."""
        try:
            if self.file is not None and self.file.fileno() != self.fd:
                return b""
            data = os.read(self.fd, self.read_size)
        except BlockingIOError:
            return None
        except (OSError, ValueError):
            return b""  # closed behind our back, or a terminal whose other end is gone
        if len(data) >= PIPE_CAPACITY // 2 and self.read_size == PIPE_CAPACITY:
            self._enlarge()
        return data

    def assemble(self, data: bytes, route: Route) -> bytes:
        """What of ``data`` and of what was held back is ready for the sink of ``route``. Under ``lock``.

        Where several pipes are written to one place, that is whole lines; bytes as they come otherwise.
        """
        lines = self.lines
        if not data:
            return route.end(lines.flush())
        if route.whole_lines or len(route.outlet.pipes) > 1:
            return lines.feed(data)
        return lines.flush() + data if lines.held else data

    def _enlarge(self) -> None:
        self.read_size = READ_SIZE
        if len(_large) >= LARGE_AT_MOST:
            return
        import fcntl  # kept off the start path

        if hasattr(fcntl, "F_SETPIPE_SZ"):
            try:
                fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, LARGE_CAPACITY)
            except OSError:
                return  # the user's share is used up, or it is no pipe: it stays as it is
            _large.add(id(self))
            self.brim = READ_SIZE

    def look(self) -> int:
        """The events of poll(2), now. Under ``lock``."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        found = poll.poll(0)
        return found[0][1] if found else 0

    def unread(self) -> int:
        """Bytes that wait in the pipe. Under ``lock``."""
        import array  # kept off the start path: asked when output is given up
        import fcntl
        import termios

        count = array.array("i", [0])
        try:
            fcntl.ioctl(self.fd, termios.FIONREAD, count)
        except OSError:
            return 0
        return count[0]
