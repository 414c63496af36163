"""Lines of output: each once, in order, or said to be lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from circus.model.dashboard import OutputBook, OutputLine
from circus.model.dashboard.output import KEPT, KEPT_BEFORE


def batch(lines, offset=0, seq=0, pid=12, **more):
    told = {"watcher": "web", "res_name": "web", "wid": 1, "pid": pid, "stream": "stdout", "time": 1.0}
    return {**told, "offset": offset, "seq": seq, "lines": lines, "lost": 0, **more}


def told(line, offset=0, pid=12):
    return {"watcher": "web", "wid": 1, "pid": pid, "stream": "stdout", "time": 1.0, "offset": offset, "text": line}


def texts(book):
    return [line.text for line in book.lines]


@given(st.data())
def test_tail_and_live_lines_join_without_gap_or_double(data):
    """The subscription begins at any line, the tail ends at any later one, and answers at any moment."""
    lines = data.draw(st.lists(st.text(alphabet="aé€😀 ", max_size=6), min_size=1, max_size=12))
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line.encode()) + 1)
    subscribed = data.draw(st.integers(0, len(lines)))
    known = data.draw(st.integers(subscribed, len(lines)))
    answered = data.draw(st.integers(known, len(lines)))
    batches = []
    at = subscribed
    while at < len(lines):
        size = data.draw(st.integers(1, 4))
        batches.append((at, batch(lines[at : at + size], offsets[at], at - subscribed)))
        at += size
    book = OutputBook()
    book.begin()
    tail = {
        "lines": [told(line, offset) for line, offset in zip(lines[:known], offsets, strict=False)],
        "ends": {"12.stdout": offsets[known]},
    }
    answer_sent = False
    for begin, each in batches:
        if not answer_sent and begin >= answered:
            book.take_tail(tail)
            answer_sent = True
        book.take_live(each)
    if not answer_sent:
        book.take_tail(tail)
    assert texts(book) == lines


def test_gaps_of_numbers_are_losses():
    book = OutputBook()
    book.take_live(batch(["a", "b"], seq=0))
    book.take_live(batch(["f"], seq=5))
    assert (texts(book), book.lost) == (["a", "b", "3 lines lost", "f"], 3)
    assert [line.stream for line in book.lines] == ["stdout", "stdout", "", "stdout"]


def test_what_the_daemon_skipped_is_said_once():
    book = OutputBook()
    book.take_live(batch(["a"], seq=0))
    book.take_live(batch(["c"], seq=2, lost=1))
    assert (book.lost, texts(book)) == (1, ["a", "1 line lost", "c"])


def test_processes_are_counted_apart():
    book = OutputBook()
    book.take_live(batch(["a"], seq=0, pid=12))
    book.take_live(batch(["b"], seq=7, pid=13))
    assert book.lost == 0


def test_another_selection_begins_anew():
    book = OutputBook()
    book.take_live(batch(["a"]))
    edition = book.edition
    book.begin()
    assert (texts(book), book.edition) == ([], edition + 1)
    book.take_live(batch(["b"]))
    assert texts(book) == []
    book.take_tail({"lines": [], "captured": {"web": False}})
    assert (texts(book), book.captured) == (["b"], {"web": False})


def test_older_lines_join_without_gap_whatever_rolls_out():
    book = OutputBook()
    book.begin()
    book.take_tail({})
    line = {"watcher": "web", "wid": 1, "pid": 12, "stream": "stdout", "time": 1.0}
    book.take_live(batch([str(number) for number in range(KEPT)]))
    older = OutputLine(0, 0.0, "web", None, 0, "stdout", "before")
    book.put_before([older] * (KEPT_BEFORE - 1))
    assert book.room_before == 1
    book.take_live({**batch(["a", "b"], seq=KEPT), **line})
    assert [each.text for each in book.older][-3:] == ["before", "0", "1"]
    assert len(book.older) == KEPT_BEFORE
    assert book.room_before == 0  # what would come before is not what is missing
    book.begin()
    assert (len(book.older), book.room_before) == (0, KEPT_BEFORE)
