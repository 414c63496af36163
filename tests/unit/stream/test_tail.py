"""What is kept of a watcher's output, and what is published of it while somebody listens: fake loop, fake bus."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circus.stream import live, tail
from circus.stream.ring import FOLLOWED_CAPACITY, LINE_LIMIT
from circus.stream.tail import DEAD_KEPT, Tail, Told, merge_newest
from harness.examples import examples

EPOCH = 1_000_000.0


class Loop:
    """asyncio's names, and a clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.threadsafe_calls = 0
        self._due: list[tuple[float, int, list[Any]]] = []
        self._count = itertools.count()
        self.closed = False

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., object], *args: Any) -> Any:
        entry: list[Any] = [callback, args]
        heapq.heappush(self._due, (when, next(self._count), entry))

        class Handle:
            def cancel(self) -> None:
                entry[0] = None

        return Handle()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any:
        return self.call_at(self.now + delay, callback, *args)

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Any:
        return self.call_at(self.now, callback, *args)

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> Any:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.threadsafe_calls += 1
        return self.call_at(self.now, callback, *args)

    def advance(self, seconds: float = 0.0) -> None:
        """Let time pass, and do what falls due."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            when, _, (callback, args) = heapq.heappop(self._due)
            self.now = max(self.now, when)
            if callback is not None:
                callback(*args)
        self.now = end

    @property
    def idle(self) -> bool:
        return not any(entry[0] for _, _, entry in self._due)


class Bus:
    """As much of the daemon's bus as live output needs."""

    def __init__(self) -> None:
        self.topics: set[bytes] = set()
        self.watchers: list[Callable[[], None]] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def watch_topics(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.watchers.append(callback)
        return lambda: self.watchers.remove(callback)

    def hear(self) -> None:
        pass

    def asked_for(self, topic: bytes, least: bytes) -> bool:
        return any(t.startswith(least) and (t.startswith(topic) or topic.startswith(t)) for t in self.topics)

    def listen(self, topic: bytes) -> None:
        self.topics.add(topic)
        self._tell()

    def leave(self, topic: bytes) -> None:
        self.topics.discard(topic)
        self._tell()

    def _tell(self) -> None:
        for callback in list(self.watchers):
            callback()

    def send_multipart(self, frames: Sequence[bytes]) -> None:
        topic, payload = frames
        self.sent.append((topic.decode(), json.loads(payload)))

    def take(self) -> list[dict[str, Any]]:
        sent, self.sent = self.sent, []
        return [message for _, message in sent]


class Process:
    def __init__(self, pid: int, wid: int = 1, *, stdout: bool = True, stderr: bool = True) -> None:
        self.pid, self.wid = pid, wid
        self.pipe_stdout, self.pipe_stderr = stdout, stderr


class Watcher:
    def __init__(self) -> None:
        self.name, self.res_name = "My Web", "my_web"
        self.processes: dict[int, Process] = {}


class Stage:
    """One watcher with its tail."""

    def __init__(self, capacity: int = 65536) -> None:
        self.loop, self.bus, self.watcher = Loop(), Bus(), Watcher()
        self.tail = Tail(self.watcher, self.loop, capacity)
        self.tail.open(self.bus)

    def start(self, pid: int, wid: int = 1, **kw: Any) -> None:
        process = Process(pid, wid, **kw)
        self.tail.begin(process)
        self.watcher.processes[pid] = process

    def end(self, pid: int) -> None:
        self.tail.end(self.watcher.processes.pop(pid))

    def write(self, data: bytes, pid: int = 1, stream: str = "stdout") -> None:
        self.tail.tap(data, pid, stream)

    def texts(self, count: int = 1000, **kw: Any) -> list[str]:
        return [story.line.text for story in merge_newest(self.tail.tell(**kw), count)]

    def told(self, pid: int = 1, stream: str = "stdout") -> Told:
        (told,) = self.tail.tell(pid, stream)
        return told


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The wall clock stands still at EPOCH; set ``clock[0]`` to move it."""
    reading = [EPOCH]
    monkeypatch.setattr(tail, "now", lambda: reading[0])
    monkeypatch.setattr(live.time, "time", lambda: reading[0])
    return reading


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.start(1)
    return stage


# -- what is kept ------------------------------------------------------------------------------------------------


def test_lines_of_both_streams_come_in_the_order_of_their_time(stage: Stage, clock: list[float]) -> None:
    for number, stream in enumerate(["stdout", "stderr", "stdout"]):
        clock[0] = EPOCH + number
        stage.write(b"%d\n" % number, stream=stream)
    assert stage.texts() == ["0", "1", "2"]
    assert stage.texts(2) == ["1", "2"]
    assert stage.texts(stream="stderr") == ["1"]
    assert stage.tail.last_lines(1, 2) == ["1", "2"]
    assert [story.line.time for story in merge_newest(stage.tail.tell(), 9, EPOCH + 1)] == [EPOCH + 1, EPOCH + 2]


def test_the_last_four_of_the_dead_are_kept(stage: Stage) -> None:
    for pid in range(1, 9):
        if pid > 1:
            stage.start(pid)
        stage.write(b"of %d\n" % pid, pid=pid)
        stage.end(pid)
    stage.start(9)
    assert stage.texts() == [f"of {pid}" for pid in range(9 - DEAD_KEPT, 9)]
    assert stage.tail.last_lines(8, 5) == ["of 8"]
    assert stage.tail.last_lines(2, 5) == []
    stage.write(b"from its grandchild\n", pid=2)
    assert "from its grandchild" not in stage.texts()


def test_the_dead_who_said_nothing_take_no_place(stage: Stage) -> None:
    stage.write(b"words\n")
    stage.end(1)
    for pid in range(2, 20):
        stage.start(pid)
        stage.end(pid)
    assert stage.texts() == ["words"]
    assert [told.source.key for told in stage.tail.tell()] == ["1.stdout"]


def test_an_end_that_nobody_told_of_is_noticed(stage: Stage) -> None:
    stage.write(b"unfinished")
    stage.watcher.processes.clear()
    assert stage.texts() == ["unfinished"]
    stage.start(2)
    stage.watcher.processes.clear()
    stage.tail.close()
    assert [told.source.pid for told in stage.tail.tell()] == [1]


def test_a_pid_that_is_used_again_is_another_worker(stage: Stage) -> None:
    stage.write(b"the first\n")
    stage.end(1)
    stage.start(1)
    stage.write(b"the second\n")
    assert stage.texts() == ["the second"]
    assert stage.told().until == 11


def test_a_line_that_may_go_on_is_not_told_before_it_is_silent(stage: Stage, clock: list[float]) -> None:
    stage.write(b"whole\npar")
    assert (stage.texts(), stage.told().until) == (["whole"], 6)
    clock[0] += 0.3
    assert (stage.texts(), stage.told().until) == (["whole", "par"], 9)


def test_a_dead_worker_will_not_go_on(stage: Stage) -> None:
    stage.write(b"whole\nhalf \xc3")
    stage.end(1)
    assert stage.texts() == ["whole", "half \ufffd"]


# -- who listens -------------------------------------------------------------------------------------------------


def test_nothing_is_published_while_nobody_listens(stage: Stage) -> None:
    for topic in (b"", b"out", b"watcher.", b"output.other.", b"output.my_web2"):
        stage.bus.listen(topic)
        stage.write(b"line\n")
        stage.loop.advance(1)
    assert stage.bus.sent == []
    assert stage.loop.threadsafe_calls == 0
    assert stage.tail.tell()[0].source.ring.lines == 0, "nothing is counted, either"


@pytest.mark.parametrize("topic", [b"output.", b"output.my", b"output.my_web.", b"output.my_web.1"])
def test_a_line_is_published_at_once(stage: Stage, topic: bytes) -> None:
    stage.write(b"before\n")
    stage.bus.listen(topic)
    stage.write(b"caf\xc3\xa9\n")
    stage.loop.advance()
    assert stage.bus.sent == [
        (
            "output.my_web.1",
            {
                "watcher": "My Web",
                "res_name": "my_web",
                "wid": 1,
                "pid": 1,
                "stream": "stdout",
                "time": EPOCH,
                "offset": 7,
                "seq": 0,
                "lines": ["café"],
                "lost": 0,
            },
        )
    ]


def test_batches_are_fifty_milliseconds_apart_and_cost_one_call_each(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    for _ in range(90):
        stage.write(b"x\n")
        stage.loop.advance(0.001)
    messages = stage.bus.take()
    assert len(messages) == 2
    assert messages[0]["lines"] == ["x"]
    assert len(messages[1]["lines"]) == 49
    assert stage.loop.threadsafe_calls == 3
    assert messages[1]["seq"] == 1


def test_it_ends_with_the_last_listener_and_begins_anew(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    stage.write(b"1\n")
    stage.loop.advance()
    stage.bus.leave(b"output.")
    stage.write(b"2\n")
    stage.loop.advance(1)
    stage.bus.listen(b"output.my_web.")
    stage.write(b"3\n")
    stage.loop.advance(1)
    assert [(message["lines"], message["seq"], message["offset"]) for message in stage.bus.take()] == [
        (["1"], 0, 0),
        (["3"], 0, 4),
    ]
    assert stage.loop.idle


def test_somebody_who_listened_before_the_start_is_served(stage: Stage) -> None:
    stage.tail.close()
    stage.bus.listen(b"output.")
    stage.tail.open(stage.bus)
    stage.write(b"hello\n")
    stage.loop.advance()
    assert [message["lines"] for message in stage.bus.take()] == [["hello"]]


def test_a_plain_socket_hears_nothing() -> None:
    stage = Stage()
    other = Tail(stage.watcher, stage.loop)
    other.open(object())
    other.open(None)
    other.close()
    assert other.live.session == 0


def test_a_closed_loop_does_no_harm(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    stage.loop.closed = True
    stage.write(b"x\n")
    stage.write(b"x\n")


# -- unfinished and overlong lines -------------------------------------------------------------------------------


def test_an_unfinished_line_is_sent_after_silence(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    stage.write(b"login: ")
    stage.loop.advance(0.15)
    assert stage.bus.take() == []
    stage.loop.advance(0.1)
    (message,) = stage.bus.take()
    assert (message["lines"], message["offset"]) == (["login: "], 0)
    stage.write(b"root\n")
    stage.loop.advance(0.1)
    (message,) = stage.bus.take()
    assert (message["lines"], message["offset"], message["seq"]) == (["root"], 7, 1)
    stage.loop.advance(1)
    assert stage.loop.idle


def test_an_unfinished_line_that_goes_on_is_waited_for(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    for _ in range(10):
        stage.write(b"word ")
        stage.loop.advance(0.1)
    assert stage.bus.take() == []
    stage.write(b"\n")
    stage.loop.advance(0.1)
    assert [message["lines"] for message in stage.bus.take()] == [["word " * 10]]


def test_an_unfinished_line_from_before_is_sent_whole(stage: Stage) -> None:
    stage.write(b"old\nbegin")
    stage.bus.listen(b"output.")
    stage.write(b"ning\n")
    stage.loop.advance()
    assert [(message["lines"], message["offset"]) for message in stage.bus.take()] == [(["beginning"], 4)]


def test_an_unfinished_line_from_before_that_stays_so_is_sent_too(stage: Stage) -> None:
    stage.write(b"old\nbegin")
    stage.bus.listen(b"output.")
    stage.loop.advance(0.5)
    assert [(message["lines"], message["offset"]) for message in stage.bus.take()] == [(["begin"], 4)]


def test_half_a_character_is_held_back_until_it_is_whole_or_its_worker_dead(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    stage.write(b"5 \xe2\x82")
    stage.loop.advance(0.3)
    assert [message["lines"] for message in stage.bus.take()] == [["5 "]]
    stage.loop.advance(5)
    assert stage.bus.take() == []
    stage.write(b"\xac and \xe2")
    stage.loop.advance(0.3)
    assert [message["lines"] for message in stage.bus.take()] == [["€ and "]]
    stage.end(1)
    assert [message["lines"] for message in stage.bus.take()] == [["\ufffd"]]
    assert stage.loop.idle


def test_last_words_come_before_the_successor_speaks(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    stage.write(b"I di")
    stage.end(1)
    stage.start(2)
    stage.write(b"hello\n", pid=2)
    stage.loop.advance()
    assert [(message["pid"], message["lines"]) for message in stage.bus.take()] == [(1, ["I di"]), (2, ["hello"])]


def test_closing_sends_the_rest(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    stage.write(b"bye\nby")
    stage.tail.close()
    assert [message["lines"] for message in stage.bus.take()] == [["bye"], ["by"]]
    assert stage.bus.watchers == []
    stage.loop.advance(1)
    assert stage.bus.take() == []


def test_a_very_long_line_is_cut_between_characters(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    text = "x" + "é" * (LINE_LIMIT - 10)
    stage.write((text + "\nshort\n").encode())
    stage.loop.advance()
    messages = stage.bus.take()
    assert "".join(line for message in messages[:-1] for line in message["lines"]) == text
    assert all(len(line.encode()) <= LINE_LIMIT for message in messages for line in message["lines"])
    assert messages[-1]["lines"] == ["short"]
    assert [message["offset"] for message in messages][-1] == len(text.encode()) + 1
    seqs = [message["seq"] for message in messages]
    assert seqs == list(range(len(seqs)))


def test_an_endless_line_is_sent_as_it_grows(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    for _ in range(5):
        stage.write(b"y" * 50_000)
        stage.loop.advance(0.05)
    sent = "".join(line for message in stage.bus.take() for line in message["lines"])
    assert 3 * LINE_LIMIT <= len(sent) < 250_000
    assert set(sent) == {"y"}


# -- too much ----------------------------------------------------------------------------------------------------


def _check(messages: list[dict[str, Any]]) -> tuple[int, int]:
    """Lines received and lost of one source; seq and offset go together."""
    received = lost = 0
    for before, after in itertools.pairwise(messages):
        assert after["seq"] == before["seq"] + len(before["lines"]) + after["lost"]
    for message in messages:
        received += len(message["lines"])
        lost += message["lost"]
        assert message["seq"] == received + lost - len(message["lines"])
    return received, lost


def test_too_much_is_skipped_counted_and_the_newest_is_sent(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    line = b"%07d" + b"." * 92 + b"\n"
    written = 0
    for _ in range(20):
        for _ in range(8):  # 800 kB in one batch
            stage.write(b"".join(line % number for number in range(written, written + 1000)))
            written += 1000
        stage.loop.advance(0.05)
    stage.loop.advance(0.05)
    messages = stage.bus.take()
    received, lost = _check(messages)
    assert received + lost == written
    assert 20 * 2400 <= received <= 21 * 2700
    assert all(int(message["lines"][0][:7]) * 100 == message["offset"] for message in messages)
    assert all(int(message["lines"][0][:7]) == message["seq"] for message in messages)
    assert messages[-1]["lines"][-1][:7] == f"{written - 1:07d}"
    assert max(len(json.dumps(message)) for message in messages) < 20_000, "small messages: see MESSAGE_SIZE"


def test_one_who_shouts_does_not_silence_another(stage: Stage) -> None:
    stage.start(2, wid=2)
    stage.bus.listen(b"output.")
    stage.write(b"small talk\n" * 100, pid=2)
    stage.write((b"a" * 99 + b"\n") * 10_000, pid=1)
    stage.loop.advance(0.1)
    messages = stage.bus.take()
    assert sum(len(message["lines"]) for message in messages if message["pid"] == 2) == 100
    received, lost = _check([message for message in messages if message["pid"] == 1])
    assert received + lost == 10_000
    assert received * 100 <= FOLLOWED_CAPACITY


def test_many_shouting_watchers_take_turns(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch takes ten milliseconds here; with a rest of forty after each, twenty watchers have one a second."""
    sent: list[float] = []

    def send(self: Any, frames: Any) -> None:
        sent.append(stage.loop.now)
        stage.loop.now += 0.010

    monkeypatch.setattr(Bus, "send_multipart", send)
    stage.bus.listen(b"output.")
    tails = []
    for pid in range(1, 21):
        tail = Tail(stage.watcher, stage.loop)
        tail.open(stage.bus)
        process = Process(pid)
        tail.begin(process)
        tails.append(tail)
    end = stage.loop.now + 3
    while stage.loop.now < end:
        for pid, tail in enumerate(tails, 1):
            tail.tap(b"line\n", pid, "stdout")
        stage.loop.advance(0.005)
    assert 50 <= len(sent) <= 65
    for tail in tails:
        tail.close()
    assert stage.loop.threadsafe_calls <= 85, "each of them asks once for a turn"


def test_a_line_that_is_unfinished_in_a_flood_is_not_torn(stage: Stage) -> None:
    stage.bus.listen(b"output.")
    stage.write(b"z" * 99 + b"\n")
    stage.write((b"z" * 99 + b"\n") * 10_000 + b"begin")
    stage.loop.advance()
    stage.write(b"ning\n")
    stage.loop.advance(0.1)
    messages = stage.bus.take()
    assert sum(_check(messages)) == 10_002
    assert messages[-1]["lines"] == ["beginning"]


_STEPS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=30),
        st.sampled_from(["wait", "pause", "flood", "leave", "come", "tail"]),
        st.sampled_from([b"\n", b"x\n", b"\xe2\x82", b"\xac\n"]),
    ),
    max_size=60,
)


@settings(max_examples=examples(300))
@given(steps=_STEPS, seed=st.integers(1, 1000))
def test_following_from_a_tail_on_has_neither_gap_nor_double(steps: list[Any], seed: int) -> None:
    """A reader that follows the rule of the manual puts together exactly what was written, but for counted losses."""
    stage = Stage()
    stage.start(1)
    written = b""
    stage.write(b"before %d\nunfin" % seed)
    written += b"before %d\nunfin" % seed
    listening = False
    ends = 0
    shown: list[tuple[int, str]] = []
    lost_any = False
    gaps_allowed = False

    def hear() -> None:
        nonlocal lost_any
        for message in stage.bus.take():
            if message["lost"]:
                lost_any = True
            at = message["offset"]
            if at < ends:
                continue
            assert len(message["lines"]) >= 1
            shown.append((at, "\n".join(message["lines"])))

    for step in [*steps, "come", "tail", "pause"]:
        if isinstance(step, bytes):
            stage.write(step)
            written += step
        elif step == "wait":
            stage.loop.advance(0.03)
        elif step == "pause":
            stage.loop.advance(0.4)
        elif step == "flood":
            block = (b"flood" * 17 + b"\n") * 4_200
            stage.write(block)
            written += block
        elif step == "leave" and listening:
            hear()
            stage.bus.leave(b"output.")
            listening, gaps_allowed = False, True
        elif step == "come" and not listening:
            stage.bus.listen(b"output.")
            listening = True
            hear()
            told = stage.told()
            shown[:] = [(line.offset, line.text) for line in reversed(list(told.view.newest(told.until)))]
            ends, lost_any, gaps_allowed = told.until, told.view.start > 0, False
        elif step == "tail":
            if listening:
                hear()
            stage.told()
    hear()
    # What is shown are pieces of what was written, in order, at the right places.
    for (at, text), (following, _) in itertools.pairwise(shown):
        assert at < following
        if not lost_any:
            assert written[at:following].decode("utf-8", "replace") in (text, text + "\n"), (at, following)
    assert gaps_allowed or lost_any or not shown or shown[0][0] == 0


@settings(max_examples=examples(200))
@given(
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=40),
    waits=st.lists(st.sampled_from([0.0, 0.01, 0.06]), min_size=1, max_size=7),
    length=st.integers(1, 300),
)
def test_every_line_is_received_or_counted(sizes: list[int], waits: list[float], length: int) -> None:
    stage = Stage(capacity=1000)
    stage.start(1)
    stage.bus.listen(b"output.")
    written = 0
    pause = itertools.cycle(waits)
    for size in sizes:
        stage.write((b"l" * (length - 1) + b"\n") * size)
        written += size
        stage.loop.advance(next(pause))
    stage.loop.advance(1)
    assert sum(_check(stage.bus.take())) == written
    assert stage.loop.idle
