"""Appending to a file: bytes as they are, prefixes, trouble with the disk, closing and reopening."""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from circus.stream.file_sink import FileSink
from circus.stream.file_stream import FileStream, TimedRotatingFileStream, WatchedFileStream
from harness.waiting import eventually

CLASSES = [FileStream, WatchedFileStream, TimedRotatingFileStream]
MOMENT = datetime(2024, 2, 29, 13, 14, 15)


@pytest.fixture(params=CLASSES)
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = request.param(filename=str(tmp_path / "log"))
    yield made
    made.close()


def content(stream: FileSink) -> bytes:
    return Path(stream._filename).read_bytes()


def test_bytes_are_written_as_they_come(stream: Any) -> None:
    for data in (b"\xff\x00no newline", b"e\xcc", b"\x81\n\n"):
        stream({"data": data})  # no pid needed
    assert content(stream) == b"\xff\x00no newlinee\xcc\x81\n\n"


def test_text_is_accepted(stream: Any) -> None:
    stream({"data": "é\n" * 1100, "pid": 1, "name": "stdout"})
    assert content(stream) == ("é\n" * 1100).encode()


def test_the_file_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"before\n")
    stream = FileStream(str(tmp_path / "log"))
    stream({"data": b"after\n"})
    stream.close()
    assert content(stream) == b"before\nafter\n"


@pytest.mark.parametrize(
    ("data", "written"),
    [
        (b"a\nb\n\n", b"T13 [7] | a\nT13 [7] | b\n"),
        (b"\n", b"T13 [7] | \n"),
        (b"no end", b"T13 [7] | no end\n"),
        (b"a\n\nb", b"T13 [7] | a\nT13 [7] | \nT13 [7] | b\n"),
        ("é", "T13 [7] | é\n".encode()),
    ],
)
def test_time_format_in_a_single_call(tmp_path: Path, data: bytes | str, written: bytes) -> None:
    stream = FileStream(str(tmp_path / "log"), time_format="T%H")
    stream.now = lambda: MOMENT  # type: ignore[method-assign]
    stream({"data": data, "pid": 7})
    stream.close()
    assert content(stream) == written


def test_timestamp_of_the_chunk_is_honoured(tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"), time_format="'%Y'")  # the quotes come from an ini file
    stream({"data": b"x", "pid": 7, "timestamp": MOMENT.timestamp() - 366 * 86400})
    stream.close()
    assert content(stream) == b"2023 [7] | x\n"


def test_chunks_of_one_line_get_one_prefix(tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"), time_format="T")
    for data, pid in ((b"a\nb", 1), (b"c\n", 1), (b"open", 1), (b"other\n", 2), (b"rest", 1)):
        assert stream.write_chunk(data, pid, "stdout") == 0
    stream.close()  # ends the line
    assert content(stream) == b"T [1] | a\nT [1] | bc\nT [1] | open\nT [2] | other\nT [1] | rest\n"


def test_a_closed_stream_refuses_and_opens_again(stream: Any) -> None:
    assert not stream._file.closed
    stream.close()
    stream.close()
    assert stream._file.closed
    with pytest.raises(ValueError, match="closed file"):
        stream({"data": b"x"})
    with pytest.raises(ValueError, match="closed file"):
        stream.write_chunk(b"x", 1, "stdout")
    stream.open()
    stream.open()
    stream({"data": b"x"})
    assert content(stream) == b"x"


def test_without_a_filename_there_is_a_temporary_file() -> None:
    stream = FileStream()
    try:
        stream.reopen()
        stream({"data": b"x"})
        assert content(stream) == b"x"
        stream._file.seek(0)
        assert stream._file.read() == "x"
    finally:
        stream.close()
        os.unlink(stream._filename)


def test_a_replaced_file_object_is_written_to(stream: Any) -> None:
    stream._file.close()
    stream._file = io.StringIO()
    stream._open = lambda: stream._file
    stream({"data": b"caf\xc3\xa9\n", "pid": 1})
    assert stream._file.getvalue() == "café\n"
    stream._file = io.BytesIO()
    assert stream.write_chunk(b"b\n", 1, "stdout") == 0
    assert stream._file.getvalue() == b"b\n"


def test_characters_that_a_replaced_file_cannot_hold_are_squeezed(stream: Any) -> None:
    stream._file.close()
    raw = io.BytesIO()
    stream._file = io.TextIOWrapper(raw, encoding="latin-1")
    stream({"data": "a€b".encode(), "pid": 1})
    assert raw.getvalue() == b"a?b"


def test_new_files_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        FileStream(str(tmp_path / "log")).close()
    finally:
        os.umask(before)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", CLASSES)
def test_reopen_after_a_rename(kind: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    stream = kind(filename=str(log))
    stream({"data": b"old\n"})
    log.rename(tmp_path / "log.old")
    stream.reopen()
    stream({"data": b"new\n"})
    stream.close()
    stream.reopen()  # a closed stream stays closed
    assert stream._file.closed
    assert (tmp_path / "log.old").read_bytes() == b"old\n"
    assert log.read_bytes() == b"new\n"


def test_reopen_that_fails_goes_on_with_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    stream = FileStream(str(folder / "log"))
    folder.rename(tmp_path / "moved")
    stream.reopen()
    stream({"data": b"x"})
    stream.close()
    assert stream.errors == 1
    assert (tmp_path / "moved" / "log").read_bytes() == b"x"


def test_a_full_disk_never_raises_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    stream = FileStream("/dev/full")
    with caplog.at_level(logging.ERROR, "circus"):
        for _ in range(3):
            assert stream.write_chunk(b"12345\n", 1, "stdout") == 6
        stream({"data": b"12345\n"})
    assert (stream.dropped, stream.errors) == (24, 4)
    assert len(caplog.records) == 1  # at most once a minute
    assert "/dev/full: No space left on device; 6 bytes dropped so far" in caplog.text
    stream.close()


def test_a_line_that_was_cut_by_a_full_disk_is_ended_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = FileStream(str(tmp_path / "log"))
    room = 4
    write = os.write

    def small_disk(fd: int, data: Any) -> int:
        nonlocal room
        if fd == stream._fd:
            if not room:
                raise OSError(28, "No space left on device")
            data = bytes(data)[:room]
            room -= len(data)
        return write(fd, data)

    monkeypatch.setattr(os, "write", small_disk)
    assert stream.write_chunk(b"first\n", 1, "stdout") == 2
    assert stream.write_chunk(b"second\n", 1, "stdout") == 7
    room = 100
    assert stream.write_chunk(b"third\n", 1, "stdout") == 0
    monkeypatch.undo()
    stream.close()
    assert content(stream) == b"firs\nthird\n"
    assert stream.dropped == 9


def test_closing_never_raises_for_a_bad_disk(tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"))

    class Bad(io.StringIO):
        broken = True

        def close(self) -> None:
            if self.broken:
                raise OSError(5, "Input/output error")
            super().close()

    stream._file.close()
    bad = stream._file = Bad()
    stream.close()
    bad.broken = False  # or Python 3.13 complains when it is collected


def stuck_writer(tmp_path: Path) -> tuple[FileStream, int, threading.Thread]:
    """A stream on a FIFO that nobody reads, and a thread that is stuck in writing to it."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    stream = FileStream(path)
    reader = os.open(path, os.O_RDONLY)
    thread = threading.Thread(target=stream.write_chunk, args=(b"x" * 300_000, 1, "stdout"), daemon=True)
    thread.start()
    eventually(stream._lock.locked)
    return stream, reader, thread


def read_all(fd: int, size: int) -> None:
    while size > 0:
        size -= len(os.read(fd, 65536))


def test_close_and_reopen_do_not_wait_for_a_stuck_write(tmp_path: Path) -> None:
    stream, reader, thread = stuck_writer(tmp_path)
    try:
        before = time.monotonic()
        stream.reopen()
        stream.close()
        assert time.monotonic() - before < 3
        assert not stream._file.closed  # it is in use
        read_all(reader, 300_000)
        thread.join(5)
        assert stream._file.closed  # by the writer, on its way out
    finally:
        os.close(reader)


def test_opening_again_takes_a_pending_close_back(tmp_path: Path) -> None:
    stream, reader, thread = stuck_writer(tmp_path)
    try:
        stream.close()
        stream.open()
        read_all(reader, 300_000)
        thread.join(5)
        assert not stream._file.closed
    finally:
        stream.close()
        os.close(reader)
