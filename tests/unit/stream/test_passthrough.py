"""Output that goes on to the daemon's own standard output or error."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from circus.stream import Redirector
from circus.stream.passthrough import PassThrough
from circus.stream.stdout_stream import StdoutStream
from harness.waiting import eventually


@pytest.mark.usefixtures("no_partial_lines")
def test_bytes_arrive_unchanged_and_in_whole_lines(make_worker: Callable[..., Any], monkeypatch: Any) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    sink = PassThrough(1)
    monkeypatch.setattr(sink, "_fd", writing)
    one, two = make_worker(1), make_worker(2)
    redirector = Redirector(sink, None)
    redirector.start()
    for worker in (one, two):
        redirector.add_redirections(worker)
    try:
        one.write(b"\x00\xff begin")
        two.write(b"line of two\n")
        one.write(b"ning\n")
        got = b""

        def arrived() -> bool:
            nonlocal got
            try:
                got += os.read(reading, 1000)
            except BlockingIOError:
                return False
            return len(got) >= 25

        eventually(arrived)
        assert sorted(got.splitlines()) == [b"\x00\xff beginning", b"line of two"]
    finally:
        redirector.stop()
        os.close(reading)
        os.close(writing)


def test_a_reader_that_went_away_costs_the_output_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    sink = PassThrough(2)
    monkeypatch.setattr(sink, "_fd", writing)
    assert sink.write_chunk(b"12345\n", 1, "stderr") == 6
    sink({"data": "abc", "pid": 1, "name": "stderr"})
    assert (sink.dropped, sink.errors) == (9, 2)
    os.close(writing)


def test_it_is_one_place_with_other_streams_to_the_standard_output() -> None:
    assert PassThrough(1).shared_key == StdoutStream().shared_key
    assert PassThrough(2).shared_key != PassThrough(1).shared_key
    assert str(PassThrough(2)) == "the standard error of circusd"
