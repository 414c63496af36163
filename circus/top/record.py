"""Recordings: everything a session heard, line by line, and playing it again.

A line is ``[time, endpoint, kind, data]`` as JSON; the first one tells what the file is. Written beside the model's way
in, and read instead of daemons; so a replay shows what was on the screen, and more. Files are private: they hold what
workers said.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import time
from typing import IO, TYPE_CHECKING, Any

from circus import __version__
from circus.exc import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FORMAT = 1


class Recorder:
    """Writes a recording.

    :param path: the file; overwritten, mode 0600; compressed if its name ends in ``.gz``.
    :raises OSError: it cannot be written.
    """

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        if hasattr(os, "fchmod"):
            os.fchmod(fd, 0o600)
        raw = os.fdopen(fd, "wb")
        self._raw = raw
        self._file: IO[bytes] | gzip.GzipFile = raw
        if _is_packed(path):
            self._file = gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=5)
        self._write({"circus-top": _FORMAT, "version": __version__, "time": time.time()})

    def take(self, name: str, kind: str, data: Any, now: float) -> None:
        """Write an input down."""
        self._write([round(now, 3), name, kind, data])

    def _write(self, line: Any) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Finish the file. May be called more than once."""
        self._file.close()
        self._raw.close()


class Replay:
    """Plays a recording.

    :param path: the file.
    :param take: the way into the model.
    :param reset: called when playing begins anew (also to go back in time).
    :raises ArgumentError: it is no recording.
    :raises OSError: it cannot be read.
    """

    def __init__(self, path: str, take: Callable[[str, str, Any, float], None], reset: Callable[[], None]) -> None:
        self._path, self._take, self._reset = path, take, reset
        self._lines: Iterator[list[Any]] = iter(())
        self._ahead: list[Any] | None = None
        #: The first and the last instant of the recording.
        self.begin, self.end = _span(path)
        #: The instant shown.
        self.at = self.begin
        self.speed = 1.0
        self.is_paused = False
        self._rewind()

    def _rewind(self) -> None:
        self._reset()
        self.at = self.begin
        self._lines = _read(self._path)
        self._ahead = next(self._lines, None)

    def advance(self, seconds: float) -> None:
        """Let that much time pass for the one who watches."""
        if not self.is_paused:
            self.seek(self.at + seconds * self.speed)

    def seek(self, at: float) -> None:
        """Go to an instant of the recording, forward or back."""
        at = min(max(at, self.begin), self.end)
        if at < self.at:
            self._rewind()
        while self._ahead is not None and self._ahead[0] <= at:
            moment, name, kind, data = self._ahead
            self._take(name, kind, data, moment)
            self._ahead = next(self._lines, None)
        self.at = at

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to come."""
        return self._ahead is None


def _is_packed(path: str) -> bool:
    return path.endswith(".gz")


def _read(path: str) -> Iterator[list[Any]]:
    """The inputs in a file. A last line that was cut off (the recorder was killed) is left out.

    :raises ArgumentError: it is no recording.
    """
    with gzip.open(path, "rb") if _is_packed(path) else open(path, "rb") as file:
        lines = io.TextIOWrapper(file, "utf-8", "replace")  # type: ignore[type-var]
        try:
            head = json.loads(next(lines, "null"))
        except (ValueError, OSError, EOFError):
            head = None
        if not isinstance(head, dict) or "circus-top" not in head:
            raise ArgumentError(f"{path} is no recording of circus-top")
        if head["circus-top"] > _FORMAT:
            raise ArgumentError(f"{path} was recorded by a later version ({head.get('version')})")
        try:
            for text in lines:
                line = json.loads(text)
                if isinstance(line, list) and len(line) == 4 and isinstance(line[0], int | float):
                    yield line
        except (ValueError, EOFError):
            return


def _span(path: str) -> tuple[float, float]:
    first: float | None = None
    last = 0.0
    for line in _read(path):
        first = line[0] if first is None else first
        last = max(last, line[0])
    return (first or 0.0, last)
