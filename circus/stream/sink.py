"""What the built-in streams have in common: the options of every stream, the fast path, trouble with writing.

Base of :mod:`circus.stream.file_stream` and :mod:`circus.stream.stdout_stream`. A sink is a callable that
takes ``{"data": bytes, "pid": int, "name": "stdout" | "stderr"}`` (spec plugins-hooks-streams.md 3.1); those
made here can also be given ``write_chunk(data, pid, name)``, which is what the pump prefers. Nothing here
knows pipes or threads.
"""

from __future__ import annotations

import os
import time
from typing import Any

from circus.base.logs import logger

__all__ = ["DEFAULT_BUFFER", "OVERFLOW_POLICIES", "Sink", "as_bytes", "unquote", "write_fully"]

#: What happens to output while its sink takes nothing: the worker waits, or bytes are dropped and counted.
OVERFLOW_POLICIES = ("block", "drop-oldest", "drop-newest")
#: Bytes kept for a stuck sink under one of the dropping policies.
DEFAULT_BUFFER = 1 << 20
#: Trouble of one sink is logged at most once in this time, in seconds; the counters know all of it.
QUIET_FOR = 60.0


def as_bytes(data: str | bytes) -> bytes:
    """The payload of a sink's dict: bytes as they are, text (tests, custom callers) as UTF-8."""
    return data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data


def unquote(text: str | None) -> str | None:
    """``text`` without the pair of quotes around it that an ini file leaves there."""
    if text is not None and len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def write_fully(fd: int, data: bytes) -> int:
    """Write all of ``data`` to ``fd``; returns the number of bytes written, which is less only for an
    :class:`OSError`.

    A descriptor that somebody made non-blocking (a shared terminal) is waited for.

    :raises OSError: when nothing at all could be written.
    """
    size = os.write(fd, data) if data else 0
    if size == len(data):
        return size
    view = memoryview(data)
    while size < len(data):
        try:
            size += os.write(fd, view[size:])
        except BlockingIOError:
            _wait_until_writable(fd)
        except OSError:
            break  # the caller sees it from the count, and meets the error again with the next chunk
    return size


def _wait_until_writable(fd: int) -> None:
    import select  # kept off the start path: needed for non-blocking terminals only

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()


class Sink:
    """Base of the built-in streams.

    :param overflow: what to do with output while this stream takes nothing (a hung disk, a full FIFO, a
        stopped terminal): ``block`` lets the workers wait, ``drop-oldest`` and ``drop-newest`` keep
        ``buffer`` bytes and drop, and count, the rest. The daemon itself never waits.
    :param buffer: bytes kept by the dropping policies, 1 MiB by default.
    :param kw: anything else is ignored, as it always was (``refresh_time``).
    :raises ValueError: for an unknown policy or a buffer that is no positive number.
    """

    #: The pump hands over blocks of whole lines only; False when nothing but one source makes any bytes
    #: acceptable.
    whole_lines = True
    #: Each line is dressed with a prefix, so that the last one of a source must be ended.
    dresses_lines = False
    #: Sinks with an equal key (other than None) write to one place and are treated as one; see the pump.
    shared_key: str | None = None

    def __init__(self, overflow: str = "block", buffer: int | str = DEFAULT_BUFFER, **kw: Any) -> None:
        if overflow not in OVERFLOW_POLICIES:
            raise ValueError(f"overflow must be one of {', '.join(OVERFLOW_POLICIES)}, not {overflow!r}")
        self.overflow = overflow
        self.buffer = int(buffer)
        if self.buffer <= 0:
            raise ValueError(f"buffer must be a positive number of bytes, not {buffer!r}")
        #: Bytes that could not be written, and how many times writing failed.
        self.dropped = 0
        self.errors = 0
        self._logged_at = float("-inf")

    def write_chunk(self, data: bytes, pid: int, name: str) -> int:
        """Write ``data``, one or more whole lines (or a piece of an overlong one) of one worker.

        :returns: how many bytes of it were lost.
        """
        raise NotImplementedError

    def _count_trouble(self, error: Exception, lost: int) -> int:
        """Remember that ``lost`` bytes could not be written; said in the log at most once a minute. Returns
        ``lost``."""
        self.errors += 1
        self.dropped += lost
        now = time.monotonic()
        if now - self._logged_at >= QUIET_FOR:
            self._logged_at = now
            logger.error(
                "cannot write to %s: %s; %d bytes dropped so far, the next output is tried again",
                self,
                _words(error),
                self.dropped,
            )
        return lost


def _words(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return repr(error) if number is None else os.strerror(number)
