"""Log files read from their end to their beginning, those that were rotated and compressed included.

Used by :mod:`circus.top.backlog`, in a thread. All files are opened before the first line is read, so a rotation that
happens meanwhile neither hides lines nor shows them twice. It knows nothing of daemons.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
from collections import deque
from functools import partial
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes read at once, and the longest piece of a line that is told.
_CHUNK, _LONGEST = 1 << 18, 1 << 16
#: A compressed file is read from its beginning, as often as it has so many lines, or lines of so many bytes.
KEPT_LINES, _KEPT_BYTES = 20_000, 32 << 20
#: Files of one log that are opened at most, the newest ones.
_MOST_FILES = 200

#: What stands behind (or before the suffix of) the name of a file that was rotated: ``.1``, ``-20260131``...
_NUMBER = r"[.-]\d[\dT_.:-]*?"
_PACKED = r"(?:\.(?:gz|bz2|xz))?"
_OPENERS: dict[str, Any] = {".gz": partial(gzip.GzipFile, None, "rb", 9), ".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}


def rotated_names(name: str, present: list[str]) -> list[str]:
    """Which of the files in a directory are rotated ones of another.

    :param name: its name, without the directory.
    :param present: names.
    """
    stem, dot, suffix = name.rpartition(".")
    patterns = [re.escape(name) + _NUMBER + _PACKED]
    if dot and stem:  # web.1.log, web-20260131.log
        patterns.append(re.escape(stem) + _NUMBER + re.escape(dot + suffix) + _PACKED)
    fits = re.compile("|".join(f"(?:{pattern})" for pattern in patterns)).fullmatch
    return [each for each in present if each != name and fits(each)]


class LogFiles:
    """A log file and its predecessors, open.

    :param path: of the file that is written to now; one that is not there yet is fine.
    :raises OSError: nothing of it can be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        #: Names of the files, the newest first, and the one read last.
        self.names: list[str] = []
        self.at = ""
        #: Files that could not be opened: name and why.
        self.refused: list[str] = []
        #: Set to have a thread that reads leave off.
        self.is_closed = False
        self._files: list[IO[bytes]] = []
        folder, name = os.path.split(path)
        ranked = []
        for each in [name, *rotated_names(name, os.listdir(folder or "."))]:
            try:
                file = _open(os.path.join(folder, each))
            except FileNotFoundError:
                continue
            except OSError as error:
                self.refused.append(f"{each}: {error.strerror}")
                continue
            found = os.fstat(file.fileno())
            ranked.append((each == name, found.st_mtime, _negative(each), each, found.st_size, file))
        ranked.sort(key=lambda rank: rank[:4], reverse=True)
        for rank in ranked[_MOST_FILES:]:
            rank[-1].close()
        self.names = [rank[3] for rank in ranked[:_MOST_FILES]]
        self._files = [rank[-1] for rank in ranked[:_MOST_FILES]]
        #: What is written from now on is somebody else's business.
        self._sizes = [rank[4] for rank in ranked[:_MOST_FILES]]
        if not self._files:
            raise OSError(self.refused[0] if self.refused else f"{path} is not there")

    def lines(self) -> Iterator[str]:
        """All lines, the newest first."""
        for name, file, size in zip(self.names, self._files, self._sizes, strict=True):
            self.at = name
            opener = _OPENERS.get(os.path.splitext(name)[1])
            try:
                for line in _packed_lines(file, opener, self) if opener else _plain_lines(file, size):
                    if self.is_closed:
                        return
                    yield line[-_LONGEST:].decode("utf-8", "replace").rstrip("\r")
            except (OSError, EOFError, ValueError, lzma.LZMAError) as error:  # cut off, damaged, or closed meanwhile
                if self.is_closed:
                    return
                self.refused.append(f"{name}: {error}")

    def close(self) -> None:
        """Close all files. May be called more than once."""
        self.is_closed = True
        for file in self._files:
            file.close()


def _open(path: str) -> IO[bytes]:
    """Open an ordinary file; a FIFO would wait for its writer.

    :raises OSError: it cannot be read, or is none.
    """
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "no ordinary file")
    return os.fdopen(fd, "rb", buffering=0)


def _negative(name: str) -> int:
    """Of files changed at the same instant ``.1`` is newer than ``.2``."""
    found = re.findall(r"\d+", name)
    return -int(found[-1]) if found else 0


def _plain_lines(file: IO[bytes], end: int) -> Iterator[bytes]:
    tail = b""
    is_last = True
    while end > 0:
        begin = max(0, end - _CHUNK)
        file.seek(begin)
        lines = ((file.read(end - begin) or b"") + tail).split(b"\n")
        end = begin
        if is_last and not lines[-1]:
            lines.pop()
        is_last = False
        tail = lines.pop(0) if lines else b""
        yield from reversed(lines)
        if len(tail) > _LONGEST:  # what is in front of it is told as a line of its own
            yield tail
            tail = b""
    if tail:
        yield tail


def _packed_lines(raw: IO[bytes], unpack: Any, files: LogFiles) -> Iterator[bytes]:
    """All lines of a compressed file: the last ones first, then, read once more, those before them, and so on."""
    end: int | None = None
    while end != 0:
        raw.seek(0)
        kept: deque[bytes] = deque()
        size = count = 0
        with unpack(raw) as file:
            while count != end and (line := file.readline(_LONGEST)):
                kept.append(line.rstrip(b"\n"))
                size, count = size + len(line), count + 1
                while len(kept) > KEPT_LINES or size > _KEPT_BYTES:
                    size -= len(kept.popleft()) + 1
                if files.is_closed:
                    return
        end = count - len(kept)
        while kept:
            yield kept.pop()
