"""Lines put together from pieces, and dressed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.stream.lines import LineAssembler, LineDresser, complete_length

TEXT = st.text(st.sampled_from("ab\né€😀\r\x00"), max_size=60).map(str.encode)
ANY = st.binary(max_size=60) | TEXT


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(at)]


@given(ANY, st.lists(st.integers(0, 200), max_size=12))
def test_any_split_gives_the_same_lines(data: bytes, places: list[int]) -> None:
    lines = LineAssembler()
    blocks = [block for piece in cut(data, places) if (block := lines.feed(piece))]
    assert all(block.endswith(b"\n") for block in blocks)
    assert lines.held == len(data) - len(b"".join(blocks))
    rest = lines.flush()
    assert b"\n" not in rest
    assert b"".join(blocks) + rest == data
    assert lines.held == 0


@given(TEXT, st.lists(st.integers(0, 200), max_size=12), st.integers(4, 9))
def test_no_block_cuts_a_character_even_in_a_line_longer_than_the_limit(
    data: bytes, places: list[int], limit: int
) -> None:
    lines = LineAssembler(limit)
    out = []
    for piece in cut(data, places):
        block = lines.feed(piece)
        block.decode()
        out.append(block)
        assert lines.held <= limit
    assert b"".join(out) + lines.flush() == data


@given(st.binary(max_size=50), st.lists(st.integers(0, 200), max_size=12), st.integers(1, 9))
def test_nothing_is_lost_and_memory_is_bounded_for_any_bytes(data: bytes, places: list[int], limit: int) -> None:
    lines = LineAssembler(limit)
    out = b""
    for piece in cut(data, places):
        out += lines.feed(piece)
        assert lines.held <= max(limit, 3)
    assert out + lines.flush() == data


def test_single_bytes_do_not_pile_up_as_objects() -> None:
    lines = LineAssembler()
    for _ in range(10_000):
        assert lines.feed(b"x") == b""
    assert len(lines._pieces) <= 65
    assert lines.feed(b"\n") == b"x" * 10_000 + b"\n"


def test_flush_of_characters_keeps_the_beginning_of_one() -> None:
    lines = LineAssembler()
    lines.feed("né".encode()[:-1])
    assert lines.flush_characters() == b"n"
    assert lines.feed("é\n".encode()[1:]) == "é\n".encode()


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (b"", 0),
        (b"abc", 3),
        ("é".encode(), 2),
        (b"a\xc3", 1),
        ("€".encode()[:2], 0),
        ("😀".encode()[:3], 0),
        ("😀".encode(), 4),
        (b"\x80\x80\x80\x80", 4),  # not UTF-8 at all: passed on
        (b"\xff", 1),
    ],
)
def test_complete_length(data: bytes, complete: int) -> None:
    assert complete_length(data) == complete


@given(
    st.lists(st.sampled_from([b"a", b"bb", b"", b"c\r"]), max_size=6),
    st.lists(st.integers(0, 99), max_size=6),
)
def test_dressing_does_not_depend_on_the_split(lines: list[bytes], places: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    dresser = LineDresser()
    out = b"".join(dresser.dress(piece, "me", b"<", b">") for piece in cut(data, places))
    assert out == b"".join(b"<" + line + b">\n" for line in lines)


@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from([b"x", b"y\n", b"\n", b"z\nx", b"x\n\ny\n"])),
        max_size=9,
    ),
    st.booleans(),
)
def test_lines_of_two_sources_are_never_mixed(said: list[tuple[str, bytes]], skip_empty: bool) -> None:
    dresser = LineDresser(skip_empty=skip_empty)
    out = b"".join(dresser.dress(block, source, source.encode()) for source, block in said) + dresser.close()
    assert out == b"" or out.endswith(b"\n")
    for source in "AB":
        told = b"".join(line[1:] for line in out.splitlines() if line.startswith(source.encode()))
        meant = b"".join(block for each, block in said if each == source).replace(b"\n", b"")
        assert told == meant
    if skip_empty:
        assert b"A\n" not in out


def test_a_line_in_pieces_is_dressed_once() -> None:
    dresser = LineDresser()
    assert dresser.dress(b"one ", 1, b"> ") == b"> one "
    assert dresser.dress(b"line\n", 1, b"> ") == b"line\n"
    assert dresser.dress(b"half", 1, b"> ") == b"> half"
    assert dresser.dress(b"other\n", 2, b"# ") == b"\n# other\n"
    assert dresser.dress(b"rest\n", 1, b"> ") == b"> rest\n"
