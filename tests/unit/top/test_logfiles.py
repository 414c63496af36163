"""Log files from their end to their beginning."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.exc import ArgumentError
from circus.model.dashboard import OutputLine
from circus.top import logfiles
from circus.top.backlog import Backlog, Source, is_same_host, sources_of
from circus.top.logfiles import LogFiles, rotated_names

PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, "": bytes}


def test_names_of_rotated_files():
    ours = ["web.log.1", "web.log.12.gz", "web.log-20260131", "web.log-20260131.xz", "web.log.2026-01-31_10:30",
            "web.1.log", "web-20260131.log.bz2", "web.log.20260131T103000"]  # fmt: skip
    others = ["web.log", "web.log.bak", "web.log.1.swp", "webx.log.1", "my-web.log.1", "web.log1", "web.a.log"]
    assert rotated_names("web.log", [*others, *ours]) == ours
    assert rotated_names("out", ["out.1", "out-2.gz", "out", "outer.1"]) == ["out.1", "out-2.gz"]


@given(
    st.lists(st.lists(st.text(alphabet="ab é\t", min_size=1, max_size=30), max_size=20), min_size=1, max_size=4),
    st.lists(st.sampled_from(sorted(PACK)), min_size=4, max_size=4),
    st.integers(1, 60),
)
def test_all_lines_come_once_and_in_order(files, endings, chunk):
    """However they are spread over files, whichever of those are packed, and wherever chunks end."""
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "log"
        for number, lines in enumerate(files):
            ending = endings[number] if number else ""
            path = log if number == 0 else Path(f"{log}.{number}{ending}")
            path.write_bytes(PACK[ending]("".join(f"{line}\n" for line in lines).encode()))
            os.utime(path, (1000 - number, 1000 - number))
        whole, logfiles._CHUNK = logfiles._CHUNK, chunk
        try:
            opened = LogFiles(str(log))
            found = list(opened.lines())
            opened.close()
        finally:
            logfiles._CHUNK = whole
    assert found == [line for lines in files for line in reversed(lines)]


def test_what_is_written_or_rotated_meanwhile_changes_nothing(tmp_path):
    log = tmp_path / "log"
    log.write_text("one\ntwo\n")
    Path(f"{log}.1").write_text("zero\n")
    os.utime(f"{log}.1", (1, 1))
    opened = LogFiles(str(log))
    with log.open("a") as file:
        file.write("three\n")
    log.rename(f"{log}.2")
    log.write_text("four\n")
    assert list(opened.lines()) == ["two", "one", "zero"]
    opened.close()
    opened.close()


def test_a_line_without_end_and_a_damaged_file(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"first\n" + b"x" * 500_000)
    packed = gzip.compress(b"good\n" * 1000)
    Path(f"{log}.1.gz").write_bytes(packed[: len(packed) // 2])
    with closing(LogFiles(str(log))) as opened:
        found = list(opened.lines())
    assert max(map(len, found)) <= 1 << 16
    assert "first" in found
    assert opened.refused[0].startswith("log.1.gz: ")


def test_packed_files_are_read_within_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(logfiles, "KEPT_LINES", 7)
    log = tmp_path / "log"
    log.write_text("now\n")
    Path(f"{log}.1.gz").write_bytes(gzip.compress("".join(f"{number}\n" for number in range(100)).encode()))
    os.utime(f"{log}.1.gz", (1, 1))
    with closing(LogFiles(str(log))) as opened:
        assert list(opened.lines()) == ["now", *map(str, reversed(range(100)))]


def test_no_file(tmp_path):
    with pytest.raises(OSError, match="is not there"):
        LogFiles(str(tmp_path / "log"))
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match="no ordinary file"):
        LogFiles(str(tmp_path / "log"))


# -- what they say of a watcher -------------------------------------------------------------------------------------


def known(text, stream="stdout"):
    return OutputLine(0, 1.0, "web", 1, 12, stream, text)


def texts(lines):
    return [line.text if line.stream else f"({line.text})" for line in lines]


def test_files_of_a_watcher():
    conf = {"class": "FileStream", "filename": "log", "time_format": "'%H:%M'"}
    assert sources_of({"stdout_stream_conf": conf}, "/srv") == [Source("/srv/log", ("stdout",), "%H:%M")]
    both = sources_of({"stdout_stream_conf": conf, "stderr_stream_conf": {"filename": "/srv/./log"}}, "/srv")
    assert [(source.path, source.streams) for source in both] == [("/srv/log", ("stdout", "stderr"))]
    with pytest.raises(ArgumentError, match="FileStream"):
        sources_of({"stdout_stream_conf": {"class": "StdoutStream"}, "stderr_stream_conf": {}}, "/srv")


def test_whether_a_daemon_is_on_this_host():
    with open("/proc/self/stat", "rb") as file:
        ticks = int(file.read().rpartition(b") ")[2].split()[19])
    begun = time.time() - float(Path("/proc/uptime").read_text().split()[0]) + ticks / os.sysconf("SC_CLK_TCK")
    ours = {"pid": os.getpid(), "create_time": begun}
    assert is_same_host("tcp://127.0.0.1:5555", None, ours)
    assert not is_same_host("tcp://127.0.0.1:5555", None, {**ours, "create_time": begun - 100})
    assert not is_same_host("tcp://127.0.0.1:5555", "web1", ours)
    assert not is_same_host(None, None, ours)
    assert not is_same_host("ipc:///x", None, {"pid": 2**22 + 1, "create_time": begun})


def test_what_is_on_the_screen_is_left_out_once(tmp_path):
    (tmp_path / "log").write_text("tick\ntick\nold\ntick\nnew\ntick\n")
    with closing(Backlog(Source(str(tmp_path / "log"), ("stdout",), ""), "web", None, {})) as backlog:
        backlog.leave_out([known("tick"), known("new"), known("tick"), known("old", "stderr")])
        assert texts(backlog.read(100, lambda _: True, None)) == ["tick", "tick", "old", "(above: log)"]
        assert backlog.is_over


def test_dressed_lines_have_a_time_and_a_worker(tmp_path):
    rows = ["2026-01-30 23:59:59 [11] | late", "2026-01-31 00:00:01 [12] | early", "2026-01-31 00:00:02 [99] | who"]
    (tmp_path / "log").write_text("".join(f"{row}\n" for row in rows))
    source = Source(str(tmp_path / "log"), ("stdout",), "%Y-%m-%d %H:%M:%S")
    with closing(Backlog(source, "web", None, {11: 1, 12: 2})) as backlog:
        everybody = backlog.read(100, lambda _: True, None)
    assert texts(everybody) == ["late", "(2026-01-31)", "early", "who", "(above: log)"]
    assert [line.wid for line in everybody if line.stream] == [1, 2, None]
    assert time.strftime("%H:%M:%S", time.localtime(everybody[0].time)) == "23:59:59"
    with closing(Backlog(source, "web", 2, {11: 1, 12: 2})) as backlog:
        one = backlog.read(100, lambda _: True, None)
    assert [line.text for line in one if line.stream] == ["early"]


def test_reading_goes_on_where_it_left_off(tmp_path):
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(1000)))
    with closing(Backlog(Source(str(tmp_path / "log"), ("stdout",), ""), "web", None, {})) as backlog:
        first = backlog.read(10, lambda text: text.endswith("7"), None)
        assert texts(first)[:2] == ["line 917", "line 927"]
        assert texts(backlog.read(500, lambda _: True, lambda text: "90" in text))[0] == "line 909"
        counted = Counter(texts(backlog.read(5000, lambda _: True, None)))
        assert len(counted) == 909
        assert backlog.is_over
