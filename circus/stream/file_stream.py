"""Streams that write to files: plain with rotation by size, watching for an external logrotate, rotating by
time.

Built by :func:`circus.stream.get_stream`. How bytes get into a file, and what happens when they do not, is in
:mod:`circus.stream.file_sink`; here is only when the file is changed for another one.
"""

from __future__ import annotations

import os
import re
import time
from typing import Any

from circus.base.convert import to_bool
from circus.stream.file_sink import FileSink

__all__ = ["FileStream", "TimedRotatingFileStream", "WatchedFileStream"]


class FileStream(FileSink):
    """Appends to a file; rolls over by size.

    :param filename: path, neither expanded nor created along the way; None means a new temporary file.
    :param max_bytes: size at which the file is rolled over, 0 for never.
    :param backup_count: files kept as ``filename.1`` (the newest) to ``filename.N``. With 0 there is nothing
        to rename the file to: **the file is truncated in place** when it reaches ``max_bytes``, and what was
        in it is gone. (Circus 0.19 let it grow without limit.)
    :param time_format: strftime format; each line is then written as ``TIME [PID] | line``.
    :param kw: ``overflow`` and ``buffer``, see :class:`circus.stream.sink.Sink`; the rest is ignored.
    """

    def __init__(
        self,
        filename: str | None = None,
        max_bytes: int | str = 0,
        backup_count: int | str = 0,
        time_format: str | None = None,
        **kw: Any,
    ) -> None:
        self._max_bytes = int(max_bytes)
        self._backup_count = int(backup_count)
        super().__init__(filename=filename, time_format=time_format, **kw)
        # Files that roll over are cut between lines, so lines must not come in halves.
        self.whole_lines = self.whole_lines or self._max_bytes > 0

    def _write(self, data: bytes) -> int:
        """Cut between two lines what does not fit: only a single line makes a file larger than that."""
        if self._max_bytes <= 0:
            return super()._write(data)
        lost = 0
        while self._size + len(data) >= self._max_bytes:
            room = self._max_bytes - self._size
            cut = data.rfind(b"\n", 0, max(room - 1, 0)) + 1
            if not cut and self._size == 0:
                cut = data.find(b"\n") + 1 or len(data)
            if cut:
                lost += self._put(data[:cut])
                data = data[cut:]
            if not data:
                return lost
            self._make_room_or_complain(len(data))
            if self._size:  # refused: better a large file than lost output
                break
        return lost + self._put(data)

    def _make_room(self, size: int) -> None:
        if not self._size or not 0 < self._max_bytes <= self._size + size or not self._regular:
            return
        if self._fd >= 0:
            # The count may be too high (copytruncate) or meant for a file that was rotated by somebody else.
            self._size = os.fstat(self._fd).st_size
            if self._size + size < self._max_bytes:
                return
            if not _is_at(self._fd, self._filename):
                return self._replace_file()
        self._roll_over()

    def _roll_over(self) -> None:
        if self._backup_count <= 0:
            self._current.truncate(0)
            self._size = 0
            return
        for number in range(self._backup_count - 1, 0, -1):
            source = f"{self._filename}.{number}"
            if os.path.exists(source):
                os.replace(source, f"{self._filename}.{number + 1}")
        os.replace(self._filename, f"{self._filename}.1")
        self._replace_file()


class WatchedFileStream(FileSink):
    """Appends to a file, and opens it again by itself when it was renamed or deleted (an external logrotate).

    :param filename: see :class:`FileStream`.
    :param time_format: see :class:`FileStream`.
    :param kw: ``overflow`` and ``buffer``, see :class:`circus.stream.sink.Sink`; the rest is ignored.
    """

    dev = ino = -1

    def __init__(self, filename: str | None = None, time_format: str | None = None, **kw: Any) -> None:
        super().__init__(filename=filename, time_format=time_format, **kw)

    def _use(self, file: Any) -> None:
        super()._use(file)
        if self._fd >= 0:
            found = os.fstat(self._fd)
            self.dev, self.ino = found.st_dev, found.st_ino

    def _make_room(self, size: int) -> None:
        try:
            found = os.stat(self._filename)
        except FileNotFoundError:
            self._replace_file()
        else:
            if (found.st_dev, found.st_ino) != (self.dev, self.ino):
                self._replace_file()


#: rotate_when: seconds, suffix of the rolled file, pattern of that suffix.
_PERIODS = {
    "S": (1, "%Y%m%d%H%M%S", 14),
    "M": (60, "%Y%m%d%H%M", 12),
    "H": (3600, "%Y%m%d%H", 10),
    "D": (86400, "%Y%m%d", 8),
    "MIDNIGHT": (86400, "%Y%m%d", 8),
    "W": (604800, "%Y%m%d", 8),
}


class TimedRotatingFileStream(FileStream):
    """Appends to a file; rolls over by time to ``filename.<start of the period>``.

    :param filename: see :class:`FileStream`.
    :param backup_count: how many rolled files are kept, the newest ones; 0 keeps all.
    :param time_format: see :class:`FileStream`.
    :param rotate_when: in any case, ``S`` ``M`` ``H`` ``D`` (that long after the file was last written to),
        ``MIDNIGHT``, or ``W0`` to ``W6`` (at the end of Monday to Sunday); ``H`` by default.
    :param rotate_interval: how many of these periods make one.
    :param utc: whether days and names go by UTC instead of local time; a bool or a word such as ``yes`` or
        ``False``.
    :param kw: ``overflow`` and ``buffer``, see :class:`circus.stream.sink.Sink`; the rest is ignored.
    :raises ValueError: for a ``rotate_when`` that is none of these.
    """

    def __init__(
        self,
        filename: str | None = None,
        backup_count: int | str = 0,
        time_format: str | None = None,
        rotate_when: str | None = None,
        rotate_interval: int | str = 1,
        utc: bool | str = False,
        **kw: Any,
    ) -> None:
        self._utc = to_bool(utc)
        self._when, self._day_of_week = _parse_rotate_when(rotate_when or "H")
        seconds, self._suffix, digits = _PERIODS[self._when]
        self._count = int(rotate_interval)
        self._interval = seconds * self._count
        self._ext_match = re.compile(rf"^\d{{{digits}}}$", re.ASCII)
        kw.pop("max_bytes", None)
        super().__init__(filename=filename, backup_count=backup_count, time_format=time_format, **kw)
        self.whole_lines = True
        self._rollover_at = self._first_rollover(int(os.stat(self._filename).st_mtime))

    def _make_room(self, size: int) -> None:
        now = time.time()
        if now < self._rollover_at:
            return
        due, self._rollover_at = self._rollover_at, self._rollover_after(int(now))
        if self._fd >= 0 and not self._regular:
            return
        if self._fd >= 0 and not _is_at(self._fd, self._filename):
            return self._replace_file()
        if self._size:
            start = self._period_before(due)
            broken_down = time.gmtime(start) if self._utc else time.localtime(start)
            os.replace(self._filename, f"{self._filename}.{time.strftime(self._suffix, broken_down)}")
            self._replace_file()
            self._prune()

    def _prune(self) -> None:
        if self._backup_count <= 0:
            return
        folder, base = os.path.split(self._filename)
        start = base + "."
        rolled = [
            name
            for name in os.listdir(folder or ".")
            if name.startswith(start) and self._ext_match.match(name[len(start) :])
        ]
        for name in sorted(rolled)[: -self._backup_count]:
            os.unlink(os.path.join(folder, name))

    # -- instants; all in whole epoch seconds ----------------------------------------------------------------

    def _first_rollover(self, since: int) -> int:
        """The end of the period in which the file was last written, which may be past."""
        if self._when == "MIDNIGHT":
            return self._midnight(since, 1)
        if self._when == "W":
            weekday = (time.gmtime(since) if self._utc else time.localtime(since)).tm_wday
            return self._midnight(since, (self._day_of_week - weekday) % 7 + 1)
        return since + self._interval

    def _rollover_after(self, now: int) -> int:
        """The first end of a period after ``now``."""
        at = self._rollover_at
        if self._when in ("MIDNIGHT", "W"):
            while at <= now:
                at = self._midnight(at, self._days())
            return at
        return at + ((now - at) // self._interval + 1) * self._interval

    def _period_before(self, at: int) -> int:
        return self._midnight(at, -self._days()) if self._when in ("MIDNIGHT", "W") else at - self._interval

    def _days(self) -> int:
        return self._interval // 86400

    def _midnight(self, at: int, days: int) -> int:
        """The start of the day ``days`` after that of ``at``, also across changes of daylight saving."""
        if self._utc:
            return (at // 86400 + days) * 86400
        day = time.localtime(at)
        return int(time.mktime((day.tm_year, day.tm_mon, day.tm_mday + days, 0, 0, 0, 0, 0, -1)))


def _parse_rotate_when(text: str) -> tuple[str, int]:
    when = text.upper()
    if when.startswith("W"):
        if len(when) != 2:
            raise ValueError(f"You must specify a day for weekly rollover from 0 to 6 (0 is Monday): {text}")
        if when[1] not in "0123456":
            raise ValueError(f"Invalid day specified for weekly rollover: {text}")
        return "W", int(when[1])
    if when not in _PERIODS:
        raise ValueError(f"Invalid rollover interval specified: {text}")
    return when, 0


def _is_at(fd: int, path: str) -> bool:
    """Whether the name still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False
