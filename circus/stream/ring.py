"""The last output of one worker, in memory that has a limit, to be read while it is written.

A :class:`Ring` is written by the pump's thread (:mod:`circus.stream.tail` taps it) and read on the loop's. There is no
lock: each chunk is kept as it was read, with all that a reader must know of it in one tuple, so that a copy of the
list of chunks is always a true picture. Lines are looked for when somebody asks, in a :class:`View`. Knows neither
pipes nor watchers.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

__all__ = ["DEFAULT_CAPACITY", "LINE_LIMIT", "Line", "Ring", "View"]

#: Bytes kept of one stream of one worker.
DEFAULT_CAPACITY = 1 << 16
#: Bytes kept while somebody follows: what one batch of live output may take.
FOLLOWED_CAPACITY = 1 << 18
#: A line longer than this is shown in pieces, bytes.
LINE_LIMIT = 1 << 16
#: A worker that writes little at a time: beyond MANY chunks the oldest are put together, FOLD at a time.
MANY, FOLD = 512, 256

#: So much of a chunk tells how long its lines are, bytes.
SAMPLE = 1024

_NEWLINE = 10


class Marks(NamedTuple):
    """When parts of a chunk were read that was put together from many: of each with the end of a line in it."""

    starts: array[int]
    times: array[float]

    def at(self, index: int) -> float:
        """When the byte at ``index`` was read; exact for ends of lines."""
        return self.times[max(0, bisect_right(self.starts, index) - 1)]


#: Position of its first byte in all that was written; when it was read; the bytes; ends of lines before it, counted
#: while somebody follows.
Chunk = tuple[int, "float | Marks", bytes, int]
_position = itemgetter(0)


def count_lines(data: bytes) -> int:
    """How many ends of lines there are.

    ``bytes.count`` looks at each byte, ``replace`` leaps from one newline to the next, which is three times as fast
    for lines of a hundred bytes. This is all that following a flood costs per byte.
    """
    if len(data) > SAMPLE and data.count(b"\n", 0, SAMPLE) * 32 < SAMPLE:
        return len(data) - len(data.replace(b"\n", b""))
    return data.count(b"\n")


class Line(NamedTuple):
    """One line of output.

    :param offset: position of its first byte in the output of its pid and stream.
    :param time: when its end was read, epoch.
    :param data: the bytes, without the newline.
    """

    offset: int
    time: float
    data: bytes

    @property
    def text(self) -> str:
        """As text; what is no UTF-8 is replaced."""
        return self.data.decode("utf-8", "replace")


class Ring:
    """What one worker wrote last to one stream: ``capacity`` bytes at least, and no more than one read on top.

    :param capacity: bytes.
    """

    __slots__ = ("_chunks", "_kept", "capacity", "end", "followed", "lines", "session")

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self.capacity = self._kept = capacity
        #: Bytes written so far.
        self.end = 0
        self._chunks: deque[Chunk] = deque()
        #: Number of the present following, 0 while nobody follows; and ends of lines since it began.
        self.session = self.lines = 0
        #: For readers: ``session``, and the position at which it began.
        self.followed = (0, 0)

    def follow(self, session: int) -> None:
        """Count ends of lines from here on, and keep as much as a batch may take; 0 ends that. By the writer."""
        self.session = session
        self._kept = max(self.capacity, FOLLOWED_CAPACITY) if session else self.capacity
        self.lines = 0
        self.followed = (session, self.end)

    def put(self, data: bytes, when: float) -> None:
        """Add what was read at ``when`` (epoch). By the writer: one thread at a time."""
        chunks = self._chunks
        begin = self.end
        chunks.append((begin, when, data, self.lines))
        self.end = end = begin + len(data)
        if self.session:
            self.lines += count_lines(data)
        beyond = end - self._kept
        if beyond > 0:
            while len(chunks) > 1 and chunks[1][0] <= beyond:
                chunks.popleft()
        if len(chunks) > MANY:
            self._fold()

    def view(self) -> View:
        """What is in it now; for any thread."""
        return View(list(self._chunks))

    def _fold(self) -> None:
        """Put the oldest small chunks together. A new deque replaces the old one: readers see either."""
        chunks = list(self._chunks)
        first = next((i for i, chunk in enumerate(chunks) if not isinstance(chunk[1], Marks)), len(chunks))
        small = chunks[first : first + FOLD]
        if len(small) < 2:
            return
        starts, times = array("q"), array("d")
        base = small[0][0]
        for offset, when, data, _ in small:
            if offset == base or b"\n" in data:
                starts.append(offset - base)
                times.append(when.at(0) if isinstance(when, Marks) else when)
        folded = (base, Marks(starts, times), b"".join(chunk[2] for chunk in small), small[0][3])
        self._chunks = deque([*chunks[:first], folded, *islice(chunks, first + len(small), None)])


class View:
    """A picture of a ring."""

    __slots__ = ("chunks", "end", "start")

    def __init__(self, chunks: list[Chunk]) -> None:
        self.chunks = chunks
        #: Positions of the first byte that is kept and behind the last; equal when there is nothing.
        self.start = chunks[0][0] if chunks else 0
        self.end = chunks[-1][0] + len(chunks[-1][2]) if chunks else 0

    @property
    def last_read(self) -> float:
        """When the last bytes were read, epoch; 0 when there are none."""
        if not self.chunks:
            return 0.0
        _, when, data, _ = self.chunks[-1]
        return _time_of(when, len(data))

    def time_at(self, position: int) -> float:
        """When the byte at ``position`` was read, epoch."""
        offset, when, _, _ = self.chunks[max(0, bisect_right(self.chunks, position, key=_position) - 1)]
        return _time_of(when, position - offset)

    def line_start(self, before: int) -> int:
        """Where the line begins that is not finished at ``before``; ``before`` itself when all are."""
        for offset, _, data, _ in reversed(self.chunks):
            if offset < before and (cut := data.rfind(b"\n", 0, before - offset)) >= 0:
                return offset + cut + 1
        return min(self.start, before)

    def begins_line(self, position: int) -> bool:
        """Whether a line is known to begin at ``position``."""
        return position == 0 or (position > self.start and self.read(position - 1, position) == b"\n")

    def read(self, start: int, stop: int) -> bytes:
        """The bytes between two positions, as far as they are kept."""
        found: list[bytes] = []
        for offset, _, data, _ in reversed(self.chunks):
            if offset < stop and offset + len(data) > start:
                found.append(data[max(0, start - offset) : stop - offset])
            if offset <= start:
                break
        found.reverse()
        return found[0] if len(found) == 1 else b"".join(found)

    def lines_before(self, position: int, since: int) -> int:
        """Ends of lines from ``since``, where the counting began, to ``position``, which is kept; nothing between the
        two need be."""
        if position <= since:
            return 0
        offset, _, data, lines = self.chunks[max(0, bisect_right(self.chunks, position, key=_position) - 1)]
        if offset >= since:
            return lines + data.count(b"\n", 0, position - offset)
        return data.count(b"\n", since - offset, position - offset)

    def newest(self, before: int) -> Iterator[Line]:
        """The lines before position ``before``, newest first.

        What lies behind the last newline counts as a line. The beginning of the oldest one may be lost: such a line is
        left out, unless there is no other.
        """
        later: list[bytes] = []  # parts of the line that is put together, the last one first
        ended = -1.0
        whole = 0
        for offset, when, data, _ in reversed(self.chunks):
            stop = min(len(data), before - offset)
            if stop <= 0:
                continue
            if ended < 0:
                ended = _time_of(when, stop - 1)
                stop -= data[stop - 1] == _NEWLINE
            while (cut := data.rfind(b"\n", 0, stop)) >= 0:
                later.append(data[cut + 1 : stop])
                yield Line(offset + cut + 1, ended, b"".join(reversed(later)))
                later.clear()
                whole += 1
                ended, stop = _time_of(when, cut), cut
            later.append(data[:stop])
        if ended >= 0 and (self.start == 0 or not whole):
            data = b"".join(reversed(later))
            cut = continuation_length(data) if self.start else 0
            yield Line(self.start + cut, ended, data[cut:])


def continuation_length(data: bytes) -> int:
    """How many bytes at the beginning belong to a character that began before it."""
    return next((i for i, byte in enumerate(data[:3]) if byte & 0xC0 != 0x80), min(3, len(data)))


def _time_of(when: float | Marks, index: int) -> float:
    return when.at(index) if isinstance(when, Marks) else when
