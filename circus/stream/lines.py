"""Whole lines out of bytes that come in any pieces, and the text put before each of them.

The pump (:mod:`circus.stream.pump`) keeps one :class:`LineAssembler` per pipe, between the reading and the
sink; live tails use one per worker and name. A :class:`LineDresser` belongs to a sink that writes a prefix
before each line. Neither knows pipes, files or clocks: bytes in, bytes out.
"""

from __future__ import annotations

__all__ = ["LINE_LIMIT", "LineAssembler", "LineDresser", "complete_length"]

#: The longest unfinished line that is kept in memory; a longer one goes on in pieces. Bytes.
LINE_LIMIT = 1 << 18


def complete_length(data: bytes) -> int:
    """How many bytes of ``data`` can be passed on without cutting a UTF-8 character at the end.

    Bytes that are not UTF-8 are never held back: only a start byte whose continuation is still to come.
    """
    size = len(data)
    for back in range(1, min(4, size + 1)):
        byte = data[size - back]
        if byte < 0x80:
            return size
        if byte >= 0xC0:
            wanted = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return size - back if byte < 0xF8 and wanted > back else size
    return size


class LineAssembler:
    """Holds the unfinished line of one source back until its end has come.

    What :meth:`feed` and :meth:`flush` give, put together, is exactly what was fed. Every block ends with a
    newline, except pieces of a line longer than ``limit`` (cut between characters) and what :meth:`flush`
    gives.

    :param limit: bytes of an unfinished line that are held at most.
    """

    __slots__ = ("_pieces", "held", "limit")

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self.limit = limit
        #: Bytes held back at the moment.
        self.held = 0
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """The whole lines that are finished with ``data``; empty when there is none."""
        cut = data.rfind(b"\n") + 1
        if not cut:
            if data:
                self._hold(data)
            return self._overlong()
        block = data if cut == len(data) else data[:cut]
        if self.held:
            block = b"".join((*self._pieces, block))
            self._pieces.clear()
            self.held = 0
        if cut < len(data):
            self._hold(data[cut:])
            if self.held > self.limit:
                block += self._overlong()
        return block

    def flush(self) -> bytes:
        """Everything that is held back: the source has ended, or has been silent for long enough."""
        rest = b"".join(self._pieces)
        self._pieces.clear()
        self.held = 0
        return rest

    def flush_characters(self) -> bytes:
        """As :meth:`flush`, but an unfinished UTF-8 character stays held back."""
        rest = self.flush()
        cut = complete_length(rest)
        if cut < len(rest):
            self._hold(rest[cut:])
            rest = rest[:cut]
        return rest

    def _hold(self, data: bytes) -> None:
        self._pieces.append(data)
        self.held += len(data)
        # A source that writes single bytes must not cost an object for each of them.
        if len(self._pieces) > 64:
            self._pieces[:] = [b"".join(self._pieces)]

    def _overlong(self) -> bytes:
        return self.flush_characters() if self.held > self.limit else b""


class LineDresser:
    """Puts ``first`` before and ``last`` after every line of blocks from several sources.

    A line that arrives in several pieces is dressed once. When another source speaks in between, the open
    line is ended first, and its rest gets ``first`` again: lines of two sources are never mixed.

    :param skip_empty: leave empty lines out.
    """

    __slots__ = ("_open", "_skip_empty")

    def __init__(self, *, skip_empty: bool = False) -> None:
        self._skip_empty = skip_empty
        self._open: object = None

    def dress(self, block: bytes, source: object, first: bytes, last: bytes = b"") -> bytes:
        """``block`` of ``source``, any hashable object, ready to be written."""
        if self._open is None and block.endswith(b"\n") and not (self._skip_empty and _has_empty_line(block)):
            # Nearly every block: whole lines, none open. One pass in C.
            joint = last + b"\n" + first
            return b"".join((first, block[:-1].replace(b"\n", joint), last, b"\n"))
        return self._dress_slowly(block, source, first, last)

    def close(self, last: bytes = b"") -> bytes:
        """What ends the line that is open, if one is."""
        ending = b"" if self._open is None else last + b"\n"
        self._open = None
        return ending

    def _dress_slowly(self, block: bytes, source: object, first: bytes, last: bytes) -> bytes:
        if not block:
            return b""
        out: list[bytes] = []
        if self._open is not None and self._open != source:
            out.append(self.close(last))
        *lines, rest = block.split(b"\n")
        for line in lines:
            if self._open is not None:
                out += (line, self.close(last))
            elif line or not self._skip_empty:
                out += (first, line, last, b"\n")
        if rest:
            if self._open is None:
                out.append(first)
                self._open = source
            out.append(rest)
        return b"".join(out)


def _has_empty_line(block: bytes) -> bool:
    return block.startswith(b"\n") or b"\n\n" in block
