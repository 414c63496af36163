"""The daemon's own standard output as a stream."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from datetime import datetime

import pytest

from circus.stream.stdout_stream import FancyStdoutStream, StdoutStream


@pytest.fixture
def fancy() -> FancyStdoutStream:
    stream = FancyStdoutStream(color="green", time_format="%H")
    stream.now = lambda: datetime(2020, 1, 2, 3, 4, 5)  # type: ignore[method-assign]
    stream.out = io.StringIO()
    return stream


def test_stdout_stream_writes_decoded_text_to_the_present_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StdoutStream(refresh_time=1)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    stream({"data": "é\n".encode(), "pid": 1, "name": "stdout"})
    stream({"data": "text\n"})
    assert stream.write_chunk(b"\xff\n", 1, "stdout") == 0
    stream.close()
    assert out.getvalue() == "é\ntext\n\ufffd\n"
    stream({"data": b"open for ever\n"})


def test_characters_that_the_terminal_cannot_show_are_squeezed(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    StdoutStream()({"data": "é€\n".encode()})
    assert raw.getvalue() == b"\xe9?\n"


@contextlib.contextmanager
def real_stdout(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[io.TextIOWrapper, int]]:
    """A pipe in the place of the standard output (not a fixture: pytest puts its own there after those)."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="UTF-8") as out, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        yield out, reading
    os.close(reading)


def test_a_real_stdout_keeps_the_order_with_what_others_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    with real_stdout(monkeypatch) as (out, reading):
        out.write("first ")
        StdoutStream()({"data": b"\xff second"})
        assert os.read(reading, 100) == b"first \xff second"


def test_a_non_blocking_stdout_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"x" * 200_000
    taken = bytearray()
    with real_stdout(monkeypatch) as (out, reading):
        os.set_blocking(out.fileno(), False)

        def read() -> None:
            while len(taken) < len(data):
                taken.extend(os.read(reading, 65536))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        assert StdoutStream().write_chunk(data, 1, "stdout") == 0
        reader.join(5)
    assert len(taken) == len(data)


def test_a_broken_stdout_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StdoutStream()
    with real_stdout(monkeypatch) as (out, _):
        other, end = os.pipe()
        os.close(other)
        os.dup2(end, out.fileno())
        os.close(end)
        assert stream.write_chunk(b"lost\n", 1, "stdout") == 5
    assert (stream.dropped, stream.errors) == (5, 1)


def test_fancy_lines(fancy: FancyStdoutStream) -> None:
    assert fancy.prefix({"pid": 7}) == "\x1b[0;32;40m03 [7] | "
    fancy({"data": b"a\n\nb\nc", "pid": 7, "name": "stdout"})
    start = "\x1b[0;32;40m03 [7] | "
    assert fancy.out.getvalue() == f"{start}a\x1b[0m\n{start}b\x1b[0m\n{start}c\x1b[0m\n"


def test_fancy_lines_of_the_pump(fancy: FancyStdoutStream) -> None:
    for data in (b"\n", b"a\nb", b"c\n", b"\n\nd\n"):
        fancy.write_chunk(data, 7, "stdout")
    start = "\x1b[0;32;40m03 [7] | "
    assert fancy.out.getvalue() == f"{start}a\x1b[0m\n{start}bc\x1b[0m\n{start}d\x1b[0m\n"


def test_fancy_timestamp(fancy: FancyStdoutStream) -> None:
    fancy.time_format = "%Y"
    fancy({"data": "x", "pid": 1, "timestamp": 1_700_000_000.5})
    assert "m2023 [1] | x" in fancy.out.getvalue()


def test_colours() -> None:
    assert list(FancyStdoutStream.colors) == ["red", "green", "yellow", "blue", "magenta", "cyan", "white"]
    for code, color in enumerate(FancyStdoutStream.colors, 1):
        assert FancyStdoutStream(color=color).color_code == code
    for unknown in ("ultraviolet", None):
        assert 1 <= FancyStdoutStream(color=unknown).color_code <= 7
    assert FancyStdoutStream(color='"red"', time_format="'%Y %H'").time_format == "%Y %H"
    assert FancyStdoutStream().time_format == "%Y-%m-%d %H:%M:%S"
