"""Which way a sink is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from circus.stream import FileStream, QueueStream, StdoutStream
from circus.stream.channel import Channel, Outlet, Route, outlet_key
from circus.stream.lane import Lane


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane()
    yield made
    made.close()


def route(sink: Any, lane: Lane, piece: int = 100) -> Route:
    return Route(Outlet(outlet_key(sink), sink, lane), sink, piece)


def test_built_in_streams_have_a_fast_path_and_their_sub_classes_too(tmp_path: Path, lane: Lane) -> None:
    class Named(FileStream):
        pass

    class Replaced(FileStream):
        def __call__(self, data: dict[str, Any]) -> None:
            pass

    for kind, fast in ((FileStream, True), (Named, True), (Replaced, False)):
        stream = kind(str(tmp_path / "log"))
        assert (route(stream, lane).write == stream.write_chunk) is fast
        stream.close()


def test_what_sinks_want_to_be_given(tmp_path: Path, lane: Lane) -> None:
    dropping = FileStream(str(tmp_path / "log"), overflow="drop-newest")
    plain = FileStream(str(tmp_path / "log"))
    dressed = FileStream(str(tmp_path / "log"), time_format="%H")
    rolling = FileStream(str(tmp_path / "log"), max_bytes=10)
    found = {
        name: (route(sink, lane).whole_lines, route(sink, lane).dresses_lines)
        for name, sink in {
            "plain": plain,
            "dressed": dressed,
            "rolling": rolling,
            "queue": QueueStream(),
            "stdout": StdoutStream(),
            "custom": lambda data: None,
            "dropping": dropping,
            "nothing": None,
        }.items()
    }
    assert found == {
        "plain": (False, False),
        "dressed": (True, True),
        "rolling": (True, False),
        "queue": (True, False),
        "stdout": (True, False),
        "custom": (True, False),
        "dropping": (True, False),
        "nothing": (False, False),
    }
    assert route(dressed, lane).end(b"x") == b"x\n"
    assert route(dressed, lane).end(b"") == b""
    assert route(plain, lane).end(b"x") == b"x"
    for stream in (plain, dressed, rolling, dropping):
        stream.close()


def test_one_file_is_one_outlet(tmp_path: Path) -> None:
    first, second = FileStream(str(tmp_path / "log")), FileStream(str(tmp_path / "." / "log"))
    other = FileStream(str(tmp_path / "other"))
    assert outlet_key(first) == outlet_key(second) != outlet_key(other)
    assert outlet_key(StdoutStream()) == outlet_key(StdoutStream())
    queues = QueueStream(), QueueStream()
    assert outlet_key(queues[0]) != outlet_key(queues[1])
    for stream in (first, second, other):
        stream.close()


def test_only_known_policies_of_custom_sinks_count(lane: Lane) -> None:
    class Custom:
        def __init__(self, **options: Any) -> None:
            vars(self).update(options)

        def __call__(self, data: dict[str, Any]) -> None:
            pass

    def outlet(**options: Any) -> tuple[str | None, int]:
        made = Outlet("key", Custom(**options), lane)
        return made.drops, made.buffer

    assert outlet() == (None, 1 << 20)
    assert outlet(buffer=["mine"]) == (None, 1 << 20)
    assert outlet(overflow="drop-oldest") == ("drop-oldest", 1 << 20)
    assert outlet(overflow="drop-newest", buffer=5) == ("drop-newest", 5)
    assert outlet(overflow=lambda: 1, buffer=5) == (None, 1 << 20)


def test_losses_are_counted(lane: Lane) -> None:
    class Losing:
        def __call__(self, data: dict[str, Any]) -> None:
            raise AssertionError

        def write_chunk(self, data: bytes, pid: int, name: str) -> int:
            return 2

    class Exiting:
        def __call__(self, data: dict[str, Any]) -> None:
            raise SystemExit(1)

    channel = Channel("stdout", [])
    channel.put(route(Losing(), lane), b"12345", 7)
    assert (channel.dropped, channel.errors) == (2, 1)
    channel.put(route(Exiting(), lane), b"12345", 7)
    assert (channel.dropped, channel.errors) == (7, 2)
