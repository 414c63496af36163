"""Joining the past and what comes live: every line once, whatever came first."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from circus.ctl.splice import MOST_STREAMS, Gap, Splice, lines_within, size_of

KEY = (100, "stdout")
NOW = 1795288000.0


class Stream:
    """What one worker wrote, as replies and batches tell of it."""

    def __init__(self, lines):
        self.lines = lines
        self.offsets = [0]
        for line in lines:
            self.offsets.append(self.offsets[-1] + len(line.encode()) + 1)

    def reply(self, count, newest=10**6):
        """A reply at a moment when ``count`` lines were written."""
        told = [
            {"pid": 100, "stream": "stdout", "offset": self.offsets[at], "text": self.lines[at]}
            for at in range(max(count - newest, 0), count)
        ]
        return {"time": NOW, "lines": told, "ends": {"100.stdout": self.offsets[count]}}

    def batch(self, begin, end, *, seq=None, lost=0, time=NOW):
        return {
            "pid": 100, "stream": "stdout", "time": time, "offset": self.offsets[begin],
            "seq": begin if seq is None else seq, "lines": self.lines[begin:end], "lost": lost,
        }  # fmt: skip


def texts(lines):
    return [line["text"] for line in lines]


characters = st.characters(exclude_characters="\n\N{REPLACEMENT CHARACTER}", codec="utf-8")
texts_of_workers = st.lists(st.text(characters, max_size=6), max_size=40)


@given(texts_of_workers, st.data())
def test_every_line_is_printed_once(lines, data):
    total = len(lines)
    stream, splice, printed = Stream(lines), Splice(), []
    asked_at = data.draw(st.integers(0, total), "lines written when the daemon is asked")
    published_from = data.draw(st.integers(0, total), "lines written when the subscription takes effect")
    newest = data.draw(st.integers(0, 5), "lines asked for")
    cuts = data.draw(st.lists(st.integers(published_from, total), max_size=5), "where batches end")
    edges = sorted({published_from, *cuts, total})
    again_before = data.draw(st.integers(0, len(edges)), "the batch before which it is asked again")

    printed += texts(splice.unseen(stream.reply(asked_at, newest)))
    for number, (begin, end) in enumerate(pairwise(edges)):
        if number == again_before and begin >= asked_at:
            printed += texts(splice.unseen(stream.reply(data.draw(st.integers(begin, total)))))
        fresh, lost, gap = splice.live(stream.batch(begin, end))
        assert lost == 0
        if gap is not None:
            found, missing = lines_within(stream.reply(begin), gap)
            assert missing == 0
            printed += texts(found)
        printed += fresh
    if published_from == total:
        printed += texts(splice.unseen(stream.reply(total)))
    assert printed == lines[max(asked_at - newest, 0) :]


@given(texts_of_workers, st.data())
def test_an_interruption_costs_nothing_that_the_daemon_has(lines, data):
    total = len(lines)
    stream, splice, printed = Stream(lines), Splice(), []
    lost_at, back_at, asked_at = sorted(data.draw(st.lists(st.integers(0, total), min_size=3, max_size=3)))
    if lost_at:
        printed += splice.live(stream.batch(0, lost_at))[0]
    splice.interrupt()
    printed += texts(splice.unseen(stream.reply(asked_at)))
    if back_at < total:
        fresh, lost, gap = splice.live(stream.batch(back_at, total, seq=0))
        assert (lost, gap) == (0, None)
        printed += fresh
    assert printed == lines


def test_numbers_tell_what_this_reader_lost():
    stream, splice = Stream(["a", "b", "c", "d", "e", "f"]), Splice()
    assert splice.live(stream.batch(0, 2)) == (["a", "b"], 0, None)
    assert splice.live(stream.batch(4, 5)) == (["e"], 2, None)
    assert splice.live(stream.batch(5, 6, seq=0)) == (["f"], 0, None)  # the daemon counts anew


def test_what_the_daemon_left_out_is_no_gap():
    stream, splice = Stream(["a", "b", "c", "d"]), Splice()
    splice.unseen(stream.reply(1))
    assert splice.live(stream.batch(3, 4, lost=2)) == (["d"], 0, None)


def test_a_gap_that_nobody_can_fill_is_counted():
    stream, splice = Stream(["a", "bb", "ccc", "dddd"]), Splice()
    splice.unseen(stream.reply(1))
    _, _, gap = splice.live(stream.batch(3, 4))
    assert gap == Gap(KEY, 2, 9)
    assert lines_within(stream.reply(4, 2), gap) == ([stream.reply(3, 1)["lines"][0]], 3)
    assert lines_within({}, gap) == ([], 7)


def test_a_worker_nobody_knew_is_shown_from_its_beginning():
    stream, splice = Stream(["a", "b", "c"]), Splice()
    assert splice.live(stream.batch(2, 3)) == (["c"], 0, Gap(KEY, 0, 4))


def test_a_pid_that_was_given_to_another_process():
    stream, splice = Stream(["a", "b", "c", "d"]), Splice()
    splice.unseen(stream.reply(4))
    assert splice.live(stream.batch(0, 2, time=NOW + 60)) == (["a", "b"], 0, None)


def test_sizes_may_be_a_little_off():
    """A line that was cut has no end, which the lines do not tell; the boundary nearest by is the one."""
    splice = Splice()
    splice.unseen({"time": NOW, "ends": {"100.stdout": 5}})
    batch = {"pid": 100, "stream": "stdout", "time": NOW, "offset": 0, "seq": 0, "lost": 0}
    assert splice.live({**batch, "lines": ["aa", "bb", "cccc"]})[0] == ["cccc"]


def test_streams_of_the_past_are_forgotten():
    splice = Splice()
    for pid in range(MOST_STREAMS + 10):
        batch = {"pid": pid, "stream": "stdout", "time": NOW, "offset": 0, "seq": 0, "lines": ["x"]}
        assert splice.live(batch)[0] == ["x"]
    assert len(splice._positions) == MOST_STREAMS


def test_sizes():
    assert size_of(["ab", "c"]) == 5
    assert size_of(["ä", "\N{EURO SIGN}"]) == 7
    assert size_of(["a\N{REPLACEMENT CHARACTER}"]) == 3


def test_an_interruption_that_was_too_long_is_measured():
    stream, splice = Stream(["0123456789", "0123456789", "x", "y"]), Splice()
    splice.live(stream.batch(0, 1))
    splice.interrupt()
    assert splice.missing(stream.reply(4)) == []
    assert splice.missing(stream.reply(4, 2)) == []  # so few bytes may be a matter of reckoning
    stream = Stream(["0123456789", "0123456789" * 3, "x", "y"])
    assert [(line["text"], size) for line, size in splice.missing(stream.reply(4, 2))] == [("x", 31)]


def test_only_streams_that_fell_silent_are_interrupted():
    splice = Splice()
    for pid, at in ((1, 10.0), (2, 20.0), (3, 30.0)):
        batch = {"pid": pid, "stream": "stdout", "time": NOW + at, "offset": 0, "seq": 0, "lines": ["x"]}
        splice.live(batch, at)
    assert splice.interrupt(after=31) is None
    assert splice.interrupt(after=15, before=25) == NOW + 20
    assert [position.joined for position in splice._positions.values()] == [True, False, True]
    assert splice.interrupt(after=15, before=25) is None
    assert splice.interrupt() == NOW + 10
