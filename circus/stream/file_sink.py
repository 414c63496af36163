"""An open file that output is appended to: the base of the streams of :mod:`circus.stream.file_stream`.

Written to by the pump's thread, opened and closed by the watcher on the loop's thread. Bytes go to the file
as they are: nothing is decoded. The permissions of new files are those that the daemon's umask leaves. This
module must not know when files are rotated.

Trouble with writing (disk full, input/output error, a rotation that is refused) never raises: bytes that are
lost are counted, the log says so once a minute, and the next output is tried again.

Thread rule: whoever holds ``_lock`` may touch the open file. ``close()`` and ``reopen()`` never wait for a
writer that is stuck: they leave their wish in ``_asked``, and the writer fulfils it when it comes back.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from typing import Any

from circus.stream.lines import LineDresser
from circus.stream.sink import Sink, as_bytes, unquote, write_fully

__all__ = ["FileSink", "fromtimestamp", "now", "write_to_object"]

#: How long ``close()`` and ``reopen()`` wait for a write that is under way, in seconds.
PATIENCE = 0.01


def now() -> Any:
    from datetime import datetime  # kept off the start path

    return datetime.now()


def fromtimestamp(timestamp: float) -> Any:
    from datetime import datetime  # kept off the start path

    return datetime.fromtimestamp(timestamp)


class FileSink(Sink):
    """A file that is appended to. Sub-classes say in :meth:`_make_room` what to do before a write."""

    #: Replaceable on class or instance: the time of a chunk without and with a ``timestamp``.
    now = staticmethod(now)
    fromtimestamp = staticmethod(fromtimestamp)

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

    # -- what watchers, the pump and custom code call --------------------------------------------------------

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
        """Close the file; while a write is stuck, as soon as it comes back. A bad disk does not raise."""
        self._asked.add("close")
        self._fulfil(PATIENCE)

    def reopen(self) -> None:
        """Let go of the file and open its name again, as after a logrotate (USR1, HUP)."""
        self._asked.add("reopen")
        self._fulfil(PATIENCE)

    # -- the open file; the lock is held ---------------------------------------------------------------------

    @property
    def _file(self) -> Any:
        """The open file: text for readers, written past its buffers. Any file object may be put here."""
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
            write_to_object(self._current, data)
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
        """Do what close() and reopen() asked for; while a write is under way that is left to its end."""
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


def write_to_object(file: Any, data: bytes) -> None:
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


def _close_quietly(file: Any) -> None:
    try:
        file.close()
    except OSError:
        # A network file system may tell of a failed write only now; the descriptor is gone all the same.
        pass
