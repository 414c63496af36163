"""When a file is changed for another one: by size, by an external logrotate, by time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circus.stream.file_stream import FileStream, TimedRotatingFileStream, WatchedFileStream


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# -- by size -------------------------------------------------------------------------------------------------


def test_sizes_may_be_text(tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"), max_bytes="10", backup_count="2")
    stream.close()
    assert (stream._max_bytes, stream._backup_count) == (10, 2)


def test_roll_over_before_the_write_that_would_reach_the_size(tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"), max_bytes=10, backup_count=2)
    for data in (b"12345678\n", b"a", b"b" * 20, b"c", b"d" * 9):
        stream({"data": data})
    stream.close()
    # 9 bytes; +1 reaches 10; a chunk that is too large is written whole; again; 1 + 9 reaches 10
    assert files(tmp_path) == {"log": b"d" * 9, "log.1": b"c", "log.2": b"b" * 20}


def test_the_size_of_a_file_found_counts(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"12345678")
    stream = FileStream(str(tmp_path / "log"), max_bytes=10, backup_count=1)
    stream({"data": b"xy"})
    stream.close()
    assert files(tmp_path) == {"log": b"xy", "log.1": b"12345678"}


def test_without_backups_the_file_is_truncated_in_place(tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"), max_bytes=10)
    inode = os.stat(tmp_path / "log").st_ino
    for data in (b"1111\n", b"2222\n", b"3333\n"):
        stream({"data": data})
    stream.close()
    assert files(tmp_path) == {"log": b"3333\n"}
    assert os.stat(tmp_path / "log").st_ino == inode


def test_large_blocks_of_the_pump_are_cut_between_lines(tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"), max_bytes=20, backup_count=9)
    stream.write_chunk(b"".join(b"line %d\n" % number for number in range(7)), 1, "stdout")
    stream.write_chunk(b"a line that is longer than the file\nshort\n", 1, "stdout")
    stream.close()
    found = files(tmp_path)
    ordered = [found[name] for name in sorted(found, reverse=True)]
    assert ordered == [
        b"line 0\nline 1\n",
        b"line 2\nline 3\n",
        b"line 4\nline 5\n",
        b"line 6\n",
        b"a line that is longer than the file\n",
        b"short\n",
    ]


def test_prefixes_count_for_the_size(tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"), max_bytes=30, backup_count=9, time_format="T")
    stream.write_chunk(b"x\n" * 6, 7, "stdout")
    stream.close()
    assert all(len(data) < 30 for data in files(tmp_path).values())
    assert b"".join(files(tmp_path).values()) == b"T [7] | x\n" * 6


def test_copytruncate_is_noticed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stream = FileStream(str(log), max_bytes=10, backup_count=1)
    stream({"data": b"12345678"})
    os.truncate(log, 0)
    stream({"data": b"abcd"})
    stream.close()
    assert files(tmp_path) == {"log": b"abcd"}


def test_two_streams_on_one_file_do_not_rotate_each_other_away(tmp_path: Path) -> None:
    first = FileStream(str(tmp_path / "log"), max_bytes=10, backup_count=3)
    second = FileStream(str(tmp_path / "log"), max_bytes=10, backup_count=3)
    assert first.shared_key == second.shared_key
    first({"data": b"111111\n"})
    second({"data": b"222\n"})
    first({"data": b"333333\n"})  # rolls over
    second({"data": b"4444444\n"})  # follows instead of rolling over once more
    first.close()
    second.close()
    assert files(tmp_path) == {"log": b"333333\n4444444\n", "log.1": b"111111\n222\n"}


def test_a_rotation_that_is_refused_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    stream = FileStream(str(tmp_path / "log"), max_bytes=10, backup_count=1)
    monkeypatch.setattr(os, "replace", refuse)
    stream.write_chunk(b"11111111\n" * 3, 1, "stdout")
    stream({"data": b"2\n"})
    stream.close()
    assert files(tmp_path) == {"log": b"11111111\n" * 3 + b"2\n"}
    assert stream.errors
    assert not stream.dropped


def test_devices_are_never_renamed(tmp_path: Path) -> None:
    stream = FileStream("/dev/null", max_bytes=10, backup_count=1)
    stream.write_chunk(b"1" * 9 + b"\n", 1, "stdout")
    stream.write_chunk(b"1" * 9 + b"\n", 1, "stdout")
    stream.close()
    assert os.path.exists("/dev/null")
    assert not os.path.exists("/dev/null.1")


# -- by somebody else ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["rename", "unlink", "replace"])
def test_watched_file_is_opened_again(tmp_path: Path, how: str) -> None:
    log = tmp_path / "log"
    stream = WatchedFileStream(str(log))
    assert (stream.dev, stream.ino) == (log.stat().st_dev, log.stat().st_ino)
    stream({"data": b"old\n"})
    if how == "unlink":
        log.unlink()
    else:
        log.rename(tmp_path / "log.old")
    if how == "replace":
        log.write_bytes(b"found\n")
    assert stream.write_chunk(b"new\n", 1, "stdout") == 0
    stream({"data": b"more\n"})
    assert (stream.dev, stream.ino) == (log.stat().st_dev, log.stat().st_ino)
    stream.close()
    assert log.read_bytes() == (b"found\n" if how == "replace" else b"") + b"new\nmore\n"


def test_watched_file_knows_its_inode_after_closing_and_opening(tmp_path: Path) -> None:
    log = tmp_path / "log"
    stream = WatchedFileStream(str(log))
    stream.close()
    log.rename(tmp_path / "log.old")
    stream.open()
    assert stream.ino == log.stat().st_ino
    stream.close()


# -- by time -------------------------------------------------------------------------------------------------

#: Tuesday, 2023-11-14 22:13:20 UTC
NOW = 1_700_000_000
MIDNIGHT = 1_700_006_400
DAY = 86400


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The present, to be moved by the test; the local time zone is UTC."""
    now = [float(NOW)]
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr("circus.stream.file_stream.time.time", lambda: now[0])
    yield now
    monkeypatch.undo()
    time.tzset()


def timed(folder: Path, mtime: int = NOW, **options: Any) -> TimedRotatingFileStream:
    log = folder / "log"
    if not log.exists():
        log.touch()
    os.utime(log, (mtime, mtime))
    return TimedRotatingFileStream(str(log), **options)


@pytest.mark.parametrize(
    ("when", "interval", "suffix", "rollover"),
    [
        ("S", 1, "%Y%m%d%H%M%S", NOW + 1),
        ("m", 60, "%Y%m%d%H%M", NOW + 60),
        ("H", 3600, "%Y%m%d%H", NOW + 3600),
        (None, 3600, "%Y%m%d%H", NOW + 3600),
        ("d", DAY, "%Y%m%d", NOW + DAY),
        ("midnight", DAY, "%Y%m%d", MIDNIGHT),
        ("W1", 7 * DAY, "%Y%m%d", MIDNIGHT),
        ("W3", 7 * DAY, "%Y%m%d", MIDNIGHT + 2 * DAY),
        ("w6", 7 * DAY, "%Y%m%d", MIDNIGHT + 5 * DAY),
        ("W0", 7 * DAY, "%Y%m%d", MIDNIGHT + 6 * DAY),
    ],
)
def test_rotate_when(tmp_path: Path, clock: list[float], when: str, interval: int, suffix: str, rollover: int) -> None:
    for utc in (False, True):
        stream = timed(tmp_path, rotate_when=when, utc=utc)
        assert (stream._interval, stream._suffix, stream._rollover_at) == (interval, suffix, rollover)
        assert stream._ext_match.match(time.strftime(suffix))
        assert not stream._ext_match.match("x" + time.strftime(suffix))
        stream.close()


def test_interval_and_flags_may_be_text(tmp_path: Path, clock: list[float]) -> None:
    stream = timed(tmp_path, rotate_when="M", rotate_interval="5", utc="False", backup_count="3")
    assert (stream._interval, stream._utc, stream._backup_count) == (300, False, 3)
    stream.close()
    stream = timed(tmp_path, rotate_when="M", utc="yes")
    assert stream._utc is True
    stream.close()


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("X", "Invalid rollover interval specified: X"),
        ("W", r"You must specify a day for weekly rollover from 0 to 6 \(0 is Monday\): W"),
        ("W10", r"You must specify a day for weekly rollover from 0 to 6 \(0 is Monday\): W10"),
        ("W7", "Invalid day specified for weekly rollover: W7"),
    ],
)
def test_wrong_rotate_when(tmp_path: Path, when: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TimedRotatingFileStream(str(tmp_path / "log"), rotate_when=when)


def test_roll_over_at_midnight_names_the_day_that_ended(tmp_path: Path, clock: list[float]) -> None:
    stream = timed(tmp_path, rotate_when="midnight")
    stream({"data": b"tuesday\n"})
    clock[0] = MIDNIGHT - 1
    stream({"data": b"still\n"})
    clock[0] = MIDNIGHT
    stream({"data": b"wednesday\n"})
    clock[0] = MIDNIGHT + 3 * DAY + 5  # nothing was written for days
    stream.write_chunk(b"saturday\n", 1, "stdout")
    stream.close()
    assert files(tmp_path) == {
        "log": b"saturday\n",
        "log.20231114": b"tuesday\nstill\n",
        "log.20231115": b"wednesday\n",
    }
    assert stream._rollover_at == MIDNIGHT + 4 * DAY


def test_a_file_of_an_earlier_period_is_rolled_over_first(tmp_path: Path, clock: list[float]) -> None:
    (tmp_path / "log").write_bytes(b"old\n")
    stream = timed(tmp_path, mtime=NOW - 2 * DAY, rotate_when="D")
    stream({"data": b"new\n"})
    stream.close()
    assert files(tmp_path) == {"log": b"new\n", "log.20231112": b"old\n"}
    assert NOW < stream._rollover_at <= NOW + DAY


def test_an_empty_file_is_not_kept(tmp_path: Path, clock: list[float]) -> None:
    stream = timed(tmp_path, rotate_when="S")
    clock[0] += 10
    stream({"data": b"x"})
    stream.close()
    assert files(tmp_path) == {"log": b"x"}


@pytest.mark.parametrize("relative", [False, True])
def test_only_the_newest_are_kept(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.other").write_bytes(b"not ours")
    folder = Path(".") if relative else tmp_path
    stream = timed(folder, rotate_when="S", backup_count=2)
    for number in range(5):
        stream({"data": b"%d" % number})
        clock[0] += 1
    stream.close()
    assert files(tmp_path) == {
        "log": b"4",
        "log.20231114221322": b"2",
        "log.20231114221323": b"3",
        "log.other": b"not ours",
    }


def test_days_follow_the_local_time_across_daylight_saving(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    if time.localtime(NOW).tm_hour != 23:
        pytest.skip("no time zone data")
    since = int(time.mktime((2024, 3, 30, 12, 0, 0, 0, 0, -1)))
    clock[0] = since
    stream = timed(tmp_path, mtime=since, rotate_when="MIDNIGHT")
    for day in (30, 31, 1):
        month = 4 if day == 1 else 3
        clock[0] = time.mktime((2024, month, day, 12, 0, 0, 0, 0, -1))
        stream({"data": b"%d" % day})
    assert stream._rollover_at == int(time.mktime((2024, 4, 2, 0, 0, 0, 0, 0, -1)))
    stream.close()
    assert files(tmp_path) == {"log": b"1", "log.20240330": b"30", "log.20240331": b"31"}


def test_max_bytes_means_nothing_to_a_timed_stream(tmp_path: Path) -> None:
    stream = TimedRotatingFileStream(str(tmp_path / "log"), max_bytes=3, rotate_when="D", backup_count=1)
    stream({"data": b"12345"})
    stream({"data": b"12345"})
    stream.close()
    assert files(tmp_path) == {"log": b"1234512345"}
