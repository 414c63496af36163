"""The last output in bounded memory: whatever the pieces it came in, lines, offsets and times are right."""

from __future__ import annotations

import itertools
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus.stream import ring as ring_module
from circus.stream.ring import DEFAULT_CAPACITY, FOLD, MANY, Line, Ring, count_lines
from harness.examples import examples

_LINES = st.lists(st.text(alphabet="aé€😀 \t", max_size=12).map(str.encode), max_size=30)


def _cuts(data: bytes, sizes: list[int]) -> list[bytes]:
    """``data`` in pieces of these sizes, over and over."""
    pieces, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(data):
            return pieces
        pieces.append(data[at : at + size])
        at += size
    return pieces


def _filled(data: bytes, sizes: list[int], capacity: int = DEFAULT_CAPACITY) -> Ring:
    ring = Ring(capacity)
    for number, piece in enumerate(_cuts(data, sizes)):
        ring.put(piece, float(number))
    return ring


def _newest(ring: Ring, before: int | None = None) -> list[Line]:
    view = ring.view()
    return list(view.newest(view.end if before is None else before))


def test_an_empty_ring_has_nothing_to_tell() -> None:
    view = Ring().view()
    assert (view.start, view.end, view.line_start(0), view.read(0, 10)) == (0, 0, 0, b"")
    assert list(view.newest(0)) == []


@settings(max_examples=examples(300))
@given(lines=_LINES, rest=st.binary(max_size=5), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_lines_are_found_whatever_the_pieces(lines: list[bytes], rest: bytes, sizes: list[int]) -> None:
    rest = rest.replace(b"\n", b"")
    data = b"".join(line + b"\n" for line in lines) + rest
    ring = _filled(data, sizes)
    expected, at = [], 0
    for line in [*lines, rest] if rest else lines:
        expected.append((at, line))
        at += len(line) + 1
    found = _newest(ring)
    assert [(line.offset, line.data) for line in reversed(found)] == expected
    assert [line.time for line in found] == sorted((line.time for line in found), reverse=True)
    assert ring.view().line_start(len(data)) == len(data) - len(rest)


@settings(max_examples=examples(300))
@given(
    lines=_LINES.filter(bool),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    capacity=st.integers(1, 60),
)
def test_a_full_ring_has_the_newest_whole_lines(lines: list[bytes], sizes: list[int], capacity: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    ring = _filled(data, sizes, capacity)
    view = ring.view()
    assert len(data) - view.start >= min(capacity, len(data))
    assert len(data) - view.start < capacity + max(sizes)
    assert view.end == ring.end == len(data)
    begins = [0] if view.start == 0 else []
    begins += [at for at in range(view.start + 1, len(data)) if data[at - 1 : at] == b"\n"]
    found = _newest(ring)
    if begins:
        assert [(line.offset, line.data) for line in reversed(found)] == [
            (at, data[at:].partition(b"\n")[0]) for at in begins
        ]
    else:  # nothing but the end of a line: better than nothing
        (line,) = found
        assert data[line.offset :] == line.data + b"\n"
    for line in found:
        line.data.decode()  # whole characters


@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(1, 50), min_size=1), capacity=st.integers(1, 200))
def test_what_is_kept_can_be_read_at_any_place(data: bytes, sizes: list[int], capacity: int) -> None:
    view = _filled(data, sizes, capacity).view()
    for start in range(view.start, len(data), 7):
        for stop in (start, start + 1, start + 30, len(data), len(data) + 9):
            assert view.read(start, stop) == data[start:stop]


def test_the_beginning_of_an_overlong_line_is_lost_but_its_end_is_shown() -> None:
    ring = Ring(100)
    for piece in _cuts("é".encode() * 300, [33]):
        ring.put(piece, 1.0)
    (line,) = _newest(ring)
    assert set(line.text) == {"é"}
    assert line.offset + len(line.data) == 600


def test_a_line_is_dated_when_its_end_was_read() -> None:
    ring = Ring()
    ring.put(b"one\ntw", 1.0)
    ring.put(b"o\nthr", 2.0)
    ring.put(b"ee", 3.0)
    assert [(line.data, line.time) for line in _newest(ring)] == [(b"three", 3.0), (b"two", 2.0), (b"one", 1.0)]
    assert [line.data for line in _newest(ring, before=8)] == [b"two", b"one"]
    assert ring.view().time_at(3) == 1.0
    assert ring.view().last_read == 3.0


def test_small_reads_are_put_together_and_keep_their_times() -> None:
    ring = Ring()
    count = MANY + FOLD + 10
    for number in range(count):
        ring.put(b"a", number + 0.5)
        ring.put(b"b%d\n" % number, float(number))
    chunks = ring.view().chunks
    assert len(chunks) <= MANY
    assert b"".join(chunk[2] for chunk in chunks) == b"".join(b"ab%d\n" % number for number in range(count))
    assert [(line.data, line.time) for line in reversed(_newest(ring))] == [
        (b"ab%d" % number, float(number)) for number in range(count)
    ]


def test_memory_is_bounded_for_the_smallest_and_the_largest_reads() -> None:
    small, large = Ring(), Ring()
    for number in range(200_000):
        small.put(b"\n", float(number))
    for number in range(100):
        large.put(bytes(262_144), float(number))
    chunks = small.view().chunks
    assert small.end - chunks[0][0] < 2 * DEFAULT_CAPACITY
    marks = sum(sys.getsizeof(chunk[1].starts) * 2 for chunk in chunks if isinstance(chunk[1], ring_module.Marks))
    assert len(chunks) * 200 + sum(map(len, (chunk[2] for chunk in chunks))) + marks < 2_000_000
    assert len(large.view().chunks) == 1


def test_ends_of_lines_are_counted_while_somebody_follows() -> None:
    ring = Ring(16)
    ring.put(b"x\n" * 10, 1.0)
    ring.follow(1)
    assert ring.followed == (1, 20)
    for _ in range(50_000):
        ring.put(b"0123456\n0123", 2.0)
        ring.put(b"456\n", 3.0)
    view = ring.view()
    assert view.end - view.start < 2 * ring_module.FOLLOWED_CAPACITY, "more is kept, but not everything"
    assert view.lines_before(view.end, 20) == ring.lines == 100_000
    middle = view.start + 1000
    assert view.lines_before(middle, 20) == (middle - 20) // 8
    assert view.lines_before(20, 20) == 0
    ring.follow(0)
    ring.put(b"end\n", 4.0)
    assert ring.end - ring.view().start < 16 + 16
    assert ring.lines == 0


@given(lines=st.lists(st.integers(0, 400), max_size=60), short=st.booleans())
def test_ends_of_lines_are_counted_right_whichever_way_is_faster(lines: list[int], short: bool) -> None:
    data = b"".join(b"." * (length // 40 if short else length) + b"\n" for length in lines * 5)
    assert count_lines(data) == len(lines) * 5
    assert count_lines(data + b"rest") == len(lines) * 5


def test_counting_starts_within_what_was_put_together() -> None:
    ring = Ring()
    for _ in range(300):
        ring.put(b"\n", 1.0)
    ring.follow(1)
    for _ in range(MANY):
        ring.put(b"\n", 1.0)
    view = ring.view()
    assert view.lines_before(310, 300) == 10
    assert view.lines_before(view.end, 300) == MANY


@pytest.mark.slow
def test_a_reader_in_another_thread_always_sees_a_true_picture() -> None:
    ring = Ring(2000)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            ring.put(b"%07d\n" % (number % 10**7), float(number))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3000):
            view = ring.view()
            for before, after in itertools.pairwise(view.chunks):
                assert before[0] + len(before[2]) == after[0]
            for line in itertools.islice(view.newest(view.end), 5):
                assert int(line.data) * 8 == line.offset % (8 * 10**7)
    finally:
        stop.set()
        writer.join()
