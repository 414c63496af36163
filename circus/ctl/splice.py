"""Joining lines of the past, from replies to ``tail``, with live batches: no line missing, no line twice.

Used by ``circusctl tail -f``; pure: it is given replies and batches and says what to print, what is missing in between,
and what is lost for good. The numbers it goes by: a line of the past and a batch carry the ``offset`` of their (first)
line in the output of their process and stream; a reply tells where each stream's known output ``ends``; batches
number lines by ``seq``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    #: Pid and ``stdout`` or ``stderr``.
    Key = tuple[int, str]

#: Streams remembered. Those of workers that ended long ago are forgotten.
MOST_STREAMS = 4096
#: Seconds by which the clock of a batch may be behind that of a reply that was made after it.
_OVERLAP = 2.0
#: Bytes by which an end that was reckoned from lines may be off without anything being gone.
_BLUR = 16
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Gap(NamedTuple):
    """Output of one stream that was neither in a reply nor in a batch: bytes from ``begin`` up to ``end``."""

    key: Key
    begin: int
    end: int


class _Position:
    """How far one stream was printed.

    ``joined``: live batches have taken over, and their ``seq`` tells what is missing. Before, ``end`` does.
    ``time`` is that of the last batch, by the daemon's clock, ``heard_at`` when it came, by the clock of the caller.
    """

    __slots__ = ("end", "heard_at", "joined", "seq", "time")

    def __init__(self) -> None:
        self.end, self.heard_at, self.time = 0, 0.0, 0.0
        self.joined = False
        self.seq: int | None = None


class Splice:
    """What was printed so far of each stream."""

    def __init__(self) -> None:
        self._positions: dict[Key, _Position] = {}
        self._told_at = 0.0

    def unseen(self, reply: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The lines of a reply that were not printed, oldest first. They count as printed from now on.

        Streams whose live batches have taken over are left to these.
        """
        told = {}
        for name, end in reply.get("ends", {}).items():
            pid, _, stream = name.partition(".")
            told[int(pid), stream] = end
        fresh = [line for line in reply.get("lines", ()) if self._misses((line["pid"], line["stream"]), line["offset"])]
        for key, end in told.items():
            position = self._position(key)
            if not position.joined:
                position.end = max(position.end, end)
        self._told_at = max(self._told_at, float(reply.get("time") or 0))
        return fresh

    def missing(self, reply: Mapping[str, Any]) -> list[tuple[dict[str, Any], int]]:
        """Where a reply has lost the beginning of what was not printed: the first line it has, and how many bytes
        are gone before it. To be asked before :meth:`unseen`.
        """
        first: dict[Key, dict[str, Any]] = {}
        for line in reply.get("lines", ()):
            key = line["pid"], line["stream"]
            if key in self._positions and self._misses(key, line["offset"]):
                first.setdefault(key, line)
        gone = [(line, line["offset"] - self._positions[key].end) for key, line in first.items()]
        return [(line, size) for line, size in gone if size > _BLUR]

    def _misses(self, key: Key, offset: int) -> bool:
        position = self._positions.get(key)
        return position is None or (not position.joined and offset >= position.end)

    def interrupt(self, after: float = -math.inf, before: float = math.inf) -> float | None:
        """The live batches have stopped coming; what comes next, a reply or a batch, joins anew.

        :param after: only of streams whose last batch came after that instant; ``before``: and before that one.
        :returns: the time, by the daemon's clock, from which on lines may be missing; None if there is no such stream.
        """
        chosen = [each for each in self._positions.values() if each.joined and after <= each.heard_at <= before]
        for position in chosen:
            position.joined = False
        return min((position.time for position in chosen), default=None)

    def live(self, batch: Mapping[str, Any], now: float = 0.0) -> tuple[list[str], int, Gap | None]:
        """Take a live batch in.

        :param now: the instant, for :meth:`interrupt`.
        :returns: its lines that were not printed; how many lines this reader lost right before; and what is missing
            before them that a reply may still have.
        """
        key = (batch["pid"], batch["stream"])
        lines: list[str] = batch["lines"]
        begin, seq = batch["offset"], batch["seq"]
        position = self._position(key)
        position.heard_at, position.time = now, batch["time"]
        lost, gap = 0, None
        if position.joined:
            if position.seq is not None and seq > position.seq:
                lost = seq - position.seq
        else:
            if begin < position.end and batch["time"] > self._told_at + _OVERLAP:
                position.end = begin  # the pid was given to another process
            if begin < position.end:
                lines = _from(lines, position.end - begin)
                if not lines:
                    return lines, 0, None
            elif begin > position.end and not batch.get("lost"):
                gap = Gap(key, position.end, begin)
            position.joined = True
        position.seq = seq + len(batch["lines"])
        position.end = begin + size_of(batch["lines"])
        return lines, lost, gap

    def _position(self, key: Key) -> _Position:
        position = self._positions.get(key)
        if position is None:
            position = self._positions[key] = _Position()
            if len(self._positions) > MOST_STREAMS:
                del self._positions[next(iter(self._positions))]
        return position


def lines_within(reply: Mapping[str, Any], gap: Gap) -> tuple[list[dict[str, Any]], int]:
    """What a reply has of a gap, oldest first, and how many bytes at the gap's beginning it has not."""
    found = [
        line
        for line in reply.get("lines", ())
        if (line["pid"], line["stream"]) == gap.key and gap.begin <= line["offset"] < gap.end
    ]
    return found, (found[0]["offset"] if found else gap.end) - gap.begin


def size_of(lines: list[str]) -> int:
    """Bytes of lines with their ends, as far as one can tell: a replacement stands for one byte that was no UTF-8,
    as a rule, and a line that was cut has no end.
    """
    text = "\n".join(lines)
    if text.isascii():
        return len(text) + 1
    return len(text.encode("utf-8", "surrogatepass")) - 2 * text.count(_REPLACEMENT) + 1


def _from(lines: list[str], offset: int) -> list[str]:
    """The lines that begin at a byte or after it; from the boundary nearest to it, as sizes may be a little off."""
    at = 0
    for index, line in enumerate(lines):
        after = at + size_of([line])
        if offset - at < after - offset:
            return lines[index:]
        at = after
    return []
