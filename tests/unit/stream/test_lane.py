"""The inbox of a lane: order, and what is dropped by which policy."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from circus.stream.lane import Chunk, Lane, Seat


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane()
    yield made
    if not made.closed:
        made.close()


@pytest.fixture
def channel() -> Any:
    return SimpleNamespace(overflowed=0)


def inbox(lane: Lane) -> list[bytes]:
    found = []
    while (item := lane.next_item()) is not None:
        found.append(item.data if isinstance(item, Chunk) else b"job")
    assert lane.backlog == 0
    return found


def test_jobs_and_chunks_keep_their_order(lane: Lane, channel: Any) -> None:
    assert lane.post(Chunk(channel, None, b"1\n", 7))
    assert lane.post(lambda seat: None)
    assert lane.post(Chunk(channel, None, b"2\n", 7))
    assert lane.backlog == 4
    assert inbox(lane) == [b"1\n", b"job", b"2\n"]


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("drop-oldest", [b"job", b"cccc\n", b"dddd\n"]),
        ("drop-newest", [b"aaaa\n", b"job", b"bbbb\n"]),
    ],
)
def test_what_does_not_fit_is_dropped_and_counted(lane: Lane, channel: Any, policy: str, kept: list[bytes]) -> None:
    lane.post_bounded(Chunk(channel, None, b"aaaa\n", 7), 10, policy)
    lane.post(lambda seat: None)  # what waits for the output is never dropped
    for data in (b"bbbb\n", b"cccc\n", b"dddd\n"):
        assert lane.post_bounded(Chunk(channel, None, data, 7), 10, policy)
    assert inbox(lane) == kept
    assert channel.overflowed == 10


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("drop-oldest", b"dddd\neeee\n"), ("drop-newest", b"aaaa\nbbbb\n")],
)
def test_a_block_larger_than_the_buffer_is_cut_between_lines(
    lane: Lane, channel: Any, policy: str, kept: bytes
) -> None:
    lane.post_bounded(Chunk(channel, None, b"aaaa\nbbbb\ncccc\ndddd\neeee\n", 7), 12, policy)
    assert inbox(lane) == [kept]
    assert channel.overflowed == 15
    lane.post_bounded(Chunk(channel, None, b"x" * 20, 7), 12, policy)
    assert inbox(lane) == []
    assert channel.overflowed == 35


def test_a_lane_that_has_ended_refuses(lane: Lane, channel: Any) -> None:
    Seat(lane)
    lane.close()
    assert lane.seat is None
    assert not lane.post(lambda seat: None)
    assert not lane.post_bounded(Chunk(channel, None, b"1\n", 7), 10, "drop-oldest")
    lane.open()
    assert lane.post(lambda seat: None)
