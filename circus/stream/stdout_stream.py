"""Streams that write to the daemon's own standard output, plain or coloured.

Built by :func:`circus.stream.get_stream`, called by the pump's thread. A real standard output is written to
past Python's buffers: a terminal that takes nothing must not hold a lock that the end of the interpreter
waits for.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from circus.stream.file_sink import fromtimestamp, now, write_to_object
from circus.stream.lines import LineDresser
from circus.stream.sink import Sink, as_bytes, unquote, write_fully

__all__ = ["FancyStdoutStream", "StdoutStream"]


class StdoutStream(Sink):
    """Writes to whatever ``sys.stdout`` is at the moment.

    :param kw: ``overflow`` and ``buffer``, see :class:`circus.stream.sink.Sink`; the rest is ignored.
    """

    shared_key = "the standard output"

    def __str__(self) -> str:
        return type(self).__name__

    def __call__(self, data: dict[str, Any]) -> None:
        """Write the data of one chunk at once."""
        self._put(sys.stdout, as_bytes(data["data"]))

    def write_chunk(self, data: bytes, pid: int, name: str) -> int:
        """As :meth:`circus.stream.sink.Sink.write_chunk`."""
        return self._put(sys.stdout, data)

    def close(self) -> None:
        """The standard output is not ours to close."""

    def _put(self, out: Any, data: bytes) -> int:
        fd = _descriptor(out)
        try:
            if fd is None:
                write_to_object(out, data)
                return 0
            written = write_fully(fd, data)
        except OSError as error:
            return self._count_trouble(error, len(data))
        if written < len(data):
            return self._count_trouble(OSError("it took only a part"), len(data) - written)
        return 0


class FancyStdoutStream(StdoutStream):
    """Writes ``TIME [PID] | line`` in a colour for every line that is not empty.

    :param color: one of :attr:`colors`; anything else, or None, takes one at random.
    :param time_format: strftime format of the time.
    :param kw: see :class:`StdoutStream`.
    """

    dresses_lines = True
    #: In the order of their ANSI codes, from 1.
    colors = ("red", "green", "yellow", "blue", "magenta", "cyan", "white")
    #: Replaceable: where to, and what time it is.
    out: Any = sys.stdout
    now = staticmethod(now)
    fromtimestamp = staticmethod(fromtimestamp)

    def __init__(self, color: str | None = None, time_format: str | None = None, **kw: Any) -> None:
        super().__init__(**kw)
        self.time_format = unquote(time_format) or "%Y-%m-%d %H:%M:%S"
        wanted = unquote(color)
        index = self.colors.index(wanted) if wanted in self.colors else os.urandom(1)[0] % len(self.colors)
        self.color_code = index + 1
        self._dresser = LineDresser(skip_empty=True)

    def prefix(self, data: dict[str, Any]) -> str:
        """What is written before each line of a chunk: the colour, the time and the pid."""
        when = self.fromtimestamp(data["timestamp"]) if "timestamp" in data else self.now()
        return f"\x1b[0;3{self.color_code};40m{when.strftime(self.time_format)} [{data['pid']}] | "

    def __call__(self, data: dict[str, Any]) -> None:
        """Write every line of one chunk at once, the last one whether it is finished or not."""
        block = as_bytes(data["data"])
        if not block.endswith(b"\n"):
            block += b"\n"
        self._dress_and_put(block, None, data)

    def write_chunk(self, data: bytes, pid: int, name: str) -> int:
        """As :meth:`circus.stream.sink.Sink.write_chunk`."""
        return self._dress_and_put(data, (pid, name), {"pid": pid})

    def _dress_and_put(self, block: bytes, source: object, data: dict[str, Any]) -> int:
        first = self.prefix(data).encode("utf-8", "surrogateescape")
        return self._put(self.out, self._dresser.dress(block, source, first, b"\x1b[0m"))


def _descriptor(out: Any) -> int | None:
    """The descriptor behind ``out``, if bytes may be written to it past its buffer; all before is flushed."""
    try:
        if out.encoding.lower().replace("-", "") != "utf8":
            return None
        out.flush()
        fd = out.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return fd if isinstance(fd, int) else None
