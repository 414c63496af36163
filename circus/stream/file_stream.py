"""Streams that write to files: plain with rotation by size, watching for an external logrotate, rotating by time.

Built by :func:`circus.stream.get_stream`; written to by the pump's thread, opened and closed by the watcher on the
loop's thread. Bytes go to the file as they are: nothing is decoded. The permissions of new files are those that the
daemon's umask leaves. This module must not know pipes, redirectors or watchers.

Trouble with writing (disk full, input/output error, a rotation that is refused) never raises: bytes that are lost
are counted, the log says so once a minute, and the next output is tried again.

Thread rule: whoever holds ``_lock`` may touch the open file. ``close()`` and ``reopen()`` never wait for a writer that
is stuck: they leave their wish in ``_asked``, and the writer fulfils it when it comes back.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
import time
from typing import Any

from circus.base.convert import to_bool
from circus.stream.lines import LineDresser
from circus.stream.sink import Sink, as_bytes, unquote, write_fully

__all__ = ["FileStream", "TimedRotatingFileStream", "WatchedFileStream"]

#: How long ``close()`` and ``reopen()`` wait for a write that is under way, in seconds.
PATIENCE = 0.01


def _now() -> Any:
    from datetime import datetime  # kept off the start path

    return datetime.now()


def _fromtimestamp(timestamp: float) -> Any:
    from datetime import datetime  # kept off the start path

    return datetime.fromtimestamp(timestamp)


class _FileSink(Sink):
    """A file that is appended to. Sub-classes say in :meth:`_make_room` what to do before a write."""

    #: Replaceable on class or instance: the time of a chunk without and with a ``timestamp``.
    now = staticmethod(_now)
    fromtimestamp = staticmethod(_fromtimestamp)

    def __init__(self, filename: str | None = None, time_format: str | None = None, **kw: Any) -> None:
        super().__init__(**kw)
        self._temporary = filename is None
        self._filename = _new_temporary_file() if filename is None else filename
        self._time_format = unquote(time_format)
        self.whole_lines = self.dresses_lines = self._time_format is not None
        self.shared_key = os.path.realpath(self._filename)
        self._dresser = LineDresser()
        self._lock = threading.Lock()
        self._asked: set[str] = set()
        self._torn = False
        self._use(self._open())

    def __str__(self) -> str:
        return f"{type(self).__name__} {self._filename}"

    # -- what watchers, the pump and custom code call --------------------------------------------------------------

    def __call__(self, data: dict[str, Any]) -> None:
        """Write one chunk at once; with ``time_format`` every line of it gets the prefix ``TIME [PID] | ``.

        :param data: see spec plugins-hooks-streams.md 3.1; ``pid`` is needed with ``time_format`` only.
        :raises ValueError: when the stream is closed.
        """
        raw = text = as_bytes(data["data"])
        if self._time_format is not None:
            first = self._prefix(data)
            text = first + raw.rstrip(b"\n").replace(b"\n", b"\n" + first) + b"\n"
        with self._lock:
            self._check_open()
            self._make_room_or_complain(len(raw))
            self._put(text)
        self._fulfil(0.0)

    def write_chunk(self, data: bytes, pid: int, name: str) -> int:
        """As :meth:`circus.stream.sink.Sink.write_chunk`: a line that comes in pieces gets one prefix.

        :raises ValueError: when the stream is closed.
        """
        with self._lock:
            self._check_open()
            if self._time_format is not None:
                first = self._prefix({"pid": pid})
                data = self._dresser.dress(data, (pid, name), first)
            lost = self._write(data)
        if self._asked:
            self._fulfil(0.0)
        return lost

    def open(self) -> None:
        """Open the file again when it is closed; called at each start of the watcher."""
        self._asked.discard("close")
        if self._lock.acquire(timeout=PATIENCE):  # else it is being written to, and so it is open
            try:
                if self._file.closed:
                    self._use(self._open())
            finally:
                self._lock.release()

    def close(self) -> None:
        """Close the file; when a write is stuck, as soon as that write comes back. Never raises for a bad disk."""
        self._asked.add("close")
        self._fulfil(PATIENCE)

    def reopen(self) -> None:
        """Let go of the file and open its name again, as after a logrotate (USR1, HUP)."""
        self._asked.add("reopen")
        self._fulfil(PATIENCE)

    # -- the open file; the lock is held ---------------------------------------------------------------------------

    @property
    def _file(self) -> Any:
        """The open file: text for those who look, written past its buffers by us. Any file object may be put here."""
        return self._current

    @_file.setter
    def _file(self, file: Any) -> None:
        self._current = file
        self._fd, self._size, self._regular = _measure(file)

    def _open(self) -> Any:
        """Open the file by name for appending and reading."""
        try:
            return open(self._filename, "a+", encoding="utf-8", errors="replace")
        except io.UnsupportedOperation:  # a FIFO or a terminal: there is nothing to seek in
            return open(self._filename, "a", encoding="utf-8", errors="replace", opener=_open_both_ways)

    def _use(self, file: Any) -> None:
        self._file = file

    def _check_open(self) -> None:
        if self._current.closed or "close" in self._asked:
            raise ValueError("I/O operation on closed file.")

    def _make_room(self, size: int) -> None:
        """Called before ``size`` bytes are written: the place to roll over. May raise OSError."""

    def _make_room_or_complain(self, size: int) -> None:
        try:
            self._make_room(size)
        except OSError as error:  # the old file goes on being written
            self._count_trouble(error, 0)

    def _write(self, data: bytes) -> int:
        self._make_room_or_complain(len(data))
        return self._put(data)

    def _put(self, data: bytes) -> int:
        """Append ``data``; returns how many bytes of it were lost."""
        if self._fd < 0:
            _write_to_object(self._current, data)
            self._size += len(data)
            return 0
        if self._torn:  # a line was cut by the last failure: what follows is not its end
            data = b"\n" + data
        try:
            written = write_fully(self._fd, data)
        except OSError as error:
            return self._count_trouble(error, len(data) - self._torn)
        self._size += written
        if written < len(data):
            self._torn = not data[:written].endswith(b"\n")
            return self._count_trouble(OSError("the file took only a part"), len(data) - written)
        self._torn = False
        return 0

    def _replace_file(self) -> None:
        """Open the name again; the old file stays in use when that fails."""
        old, new = self._current, self._open()
        self._use(new)
        if old is not new:
            _close_quietly(old)

    def _fulfil(self, patience: float) -> None:
        """Do what close() and reopen() asked for, unless a write is under way: then its end comes here again."""
        while self._asked and self._lock.acquire(timeout=patience):
            try:
                asked, self._asked = self._asked, set()
                if "close" in asked:
                    self._end_line()
                    _close_quietly(self._current)
                elif "reopen" in asked and not self._temporary and not self._current.closed:
                    self._replace_file()
            except OSError as error:
                self._count_trouble(error, 0)
            finally:
                self._lock.release()

    def _end_line(self) -> None:
        ending = self._dresser.close()
        if ending and not self._current.closed:
            self._put(ending)

    def _prefix(self, data: dict[str, Any]) -> bytes:
        when = self.fromtimestamp(data["timestamp"]) if "timestamp" in data else self.now()
        text = f"{when.strftime(self._time_format)} [{data['pid']}] | "
        return text.encode("utf-8", "surrogateescape")


class FileStream(_FileSink):
    """Appends to a file; rolls over by size.

    :param filename: path, neither expanded nor created along the way; None means a new temporary file.
    :param max_bytes: size at which the file is rolled over, 0 for never.
    :param backup_count: files kept as ``filename.1`` (the newest) to ``filename.N``. With 0 there is nothing to
        rename the file to: **the file is truncated in place** when it reaches ``max_bytes``, and what was in it is
        gone. (Circus 0.19 let it grow without limit.)
    :param time_format: strftime format; each line is then written as ``TIME [PID] | line``.
    :param kw: ``overflow`` and ``buffer``, see :class:`circus.stream.sink.Sink`; the rest is ignored.
    """

    def __init__(self, filename: str | None = None, max_bytes: int | str = 0, backup_count: int | str = 0,
                 time_format: str | None = None, **kw: Any) -> None:
        self._max_bytes = int(max_bytes)
        self._backup_count = int(backup_count)
        super().__init__(filename=filename, time_format=time_format, **kw)
        # Files that roll over are cut between lines, so lines must not come in halves.
        self.whole_lines = self.whole_lines or self._max_bytes > 0

    def _write(self, data: bytes) -> int:
        """Cut what does not fit between two lines: no file grows beyond ``max_bytes``, unless by a single line."""
        lost = 0
        while 0 < self._max_bytes <= self._size + len(data):
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


class WatchedFileStream(_FileSink):
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
    :param utc: whether days and names go by UTC instead of local time; a bool or a word such as ``yes`` or ``False``.
    :param kw: ``overflow`` and ``buffer``, see :class:`circus.stream.sink.Sink`; the rest is ignored.
    :raises ValueError: for a ``rotate_when`` that is none of these.
    """

    def __init__(self, filename: str | None = None, backup_count: int | str = 0, time_format: str | None = None,
                 rotate_when: str | None = None, rotate_interval: int | str = 1, utc: bool | str = False,
                 **kw: Any) -> None:
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
        rolled = [name for name in os.listdir(folder or ".")
                  if name.startswith(start) and self._ext_match.match(name[len(start):])]
        for name in sorted(rolled)[:-self._backup_count]:
            os.unlink(os.path.join(folder, name))

    # -- instants; all in whole epoch seconds ----------------------------------------------------------------------

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
        """The start of the day that is ``days`` after the day of ``at``; right across changes of daylight saving."""
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


def _new_temporary_file() -> str:
    import tempfile  # kept off the start path

    fd, name = tempfile.mkstemp()
    os.close(fd)
    return name


def _open_both_ways(path: str, flags: int) -> int:
    """Open a FIFO without waiting for its reader, and without a broken pipe when the reader goes."""
    try:
        return os.open(path, flags & ~os.O_WRONLY | os.O_RDWR, 0o666)
    except OSError:
        return os.open(path, flags, 0o666)


def _measure(file: Any) -> tuple[int, int, bool]:
    """Descriptor (-1 for an object without one), size, and whether it is an ordinary file."""
    try:
        fd = file.fileno()
    except (AttributeError, OSError, ValueError):
        fd = -1
    if isinstance(fd, int) and fd >= 0:
        found = os.fstat(fd)
        return fd, found.st_size, stat.S_ISREG(found.st_mode)
    try:
        return -1, int(file.seek(0, 2)), True
    except (AttributeError, OSError, ValueError, TypeError):
        return -1, 0, True


def _write_to_object(file: Any, data: bytes) -> None:
    """Write to a file object that has no descriptor: bytes, or text if it takes nothing else."""
    try:
        file.write(data)
    except TypeError:
        text = data.decode("utf-8", "replace")
        try:
            file.write(text)
        except UnicodeError:
            file.write(text.encode("latin-1", "replace").decode("latin-1"))
    file.flush()


def _is_at(fd: int, path: str) -> bool:
    """Whether the name still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _close_quietly(file: Any) -> None:
    try:
        file.close()
    except OSError:
        # A network file system may tell of a failed write only now; the descriptor is gone all the same.
        pass
