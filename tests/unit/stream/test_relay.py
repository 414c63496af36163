"""Many busy writers of one sink: a second thread writes, and nothing is lost, mixed up or waited for in vain."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import circus.stream.pump
from circus.stream import QueueStream, Redirector
from circus.stream.lane import CROWD, CROWDED_ROUNDS, Crowd
from circus.stream.pump import Pump
from circus.stream.shared import shared_pump
from harness.waiting import eventually

from .conftest import FakeWorker, ManualLoop

WRITERS = CROWD + 2
LINE = 64


class SlowSink:
    """Takes its time, so that the pipes before it are full; and for ever while ``opened`` is not set.

    It takes chunks as they are, as built-in streams do.
    """

    def __init__(self, overflow: str = "block") -> None:
        self.overflow = overflow
        self.opened = threading.Event()
        self.opened.set()
        self.taken: dict[int, list[bytes]] = {}
        self.threads: set[int] = set()
        self.inside = self.most_inside = 0

    def write_chunk(self, data: bytes, pid: int, name: str) -> int:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.threads.add(threading.get_ident())
        time.sleep(0.002)
        self.opened.wait(30)
        self.taken.setdefault(pid, []).append(data)
        self.inside -= 1
        return 0

    def __call__(self, data: dict[str, Any]) -> None:
        self.write_chunk(data["data"], data["pid"], data["name"])

    def of(self, pid: int) -> bytes:
        return b"".join(self.taken.get(pid, []))


class ForeignSink(SlowSink):
    """Called piece by piece, as sinks of other people are."""

    def __call__(self, data: dict[str, Any]) -> None:
        self.write_chunk(data["data"], data["pid"], data["name"])


class Writer:
    """A worker that writes numbered lines until it is told to end, in a thread of its own."""

    def __init__(self, worker: FakeWorker) -> None:
        self.worker = worker
        self.sent = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        count = 0
        while not self._ending.is_set():
            block = b"".join(numbered(number) for number in range(count, count + 1024))
            count += 1024
            view = memoryview(block)
            while view:
                view = view[os.write(self.worker.out, view) :]
            self.sent += len(block)

    def end(self) -> None:
        """Returns when the last line is in the pipe; the worker is dead then."""
        self._ending.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "its output was not read"
        self.worker.die()


def numbered(number: int) -> bytes:
    return b"%d " % number + b"x" * (LINE - 2 - len(str(number))) + b"\n"


def assert_whole(text: bytes, size: int) -> None:
    """``text`` is all that a Writer sent, in its order."""
    assert len(text) == size
    assert text == b"".join(numbered(number) for number in range(size // LINE))


@pytest.fixture
def pump(monkeypatch: pytest.MonkeyPatch) -> Pump:
    found = shared_pump()
    monkeypatch.setattr(found, "_relay_after", 0.0)  # also where there is one processor only
    return found


Crew = Callable[..., tuple[Redirector, list[Writer]]]


@pytest.fixture
def crew(make_worker: Callable[..., FakeWorker]) -> Iterator[Crew]:
    """Makes busy writers of one sink."""
    redirectors: list[Redirector] = []
    everybody: list[Writer] = []

    def make(sink: Any, writers: int = WRITERS, loop: Any = None) -> tuple[Redirector, list[Writer]]:
        redirector = Redirector(sink, None, loop=loop)
        redirector.start()
        redirectors.append(redirector)
        made = []
        for number in range(writers):
            worker = make_worker(100 * len(redirectors) + number)
            redirector.add_redirections(worker)
            made.append(Writer(worker))
        everybody.extend(made)
        return redirector, made

    yield make
    for writer in everybody:
        if writer.worker.out >= 0:
            writer.end()
    for redirector in redirectors:
        redirector.stop()


def finish(redirector: Redirector, writers: list[Writer]) -> None:
    """End the writers, as a watcher does with workers: each drained before it counts as gone."""
    for writer in writers:
        writer.end()
        done = threading.Event()
        redirector.drain(writer.worker, done.set)
        assert done.wait(10)


def relayed(pump: Pump) -> bool:
    return pump._relay is not None


def test_a_crowd_is_the_same_outlet_full_again_and_again() -> None:
    crowd, outlet, other = Crowd(), object(), object()

    def round_with(*outlets: object) -> object:
        for one in outlets:
            crowd.note(one)
        return crowd.round_over()

    full = [outlet] * CROWD
    assert [round_with(*full) for _ in range(CROWDED_ROUNDS)] == [None] * (CROWDED_ROUNDS - 1) + [outlet]
    assert round_with(*full) is outlet
    assert round_with(*full[1:]) is None  # that was a round with fewer: counted anew
    assert [round_with(*full) for _ in range(CROWDED_ROUNDS)] == [None] * (CROWDED_ROUNDS - 1) + [outlet]
    assert [round_with(*[outlet, other] * CROWD) for _ in range(2 * CROWDED_ROUNDS)] == [None] * 2 * CROWDED_ROUNDS
    assert round_with() is None


@pytest.mark.slow
def test_a_second_thread_writes_and_nothing_is_lost_or_out_of_order(pump: Pump, crew: Crew) -> None:
    sink = SlowSink()
    redirector, writers = crew(sink)
    eventually(lambda: len(sink.threads) >= 2)
    assert relayed(pump)
    size = sum(map(len, sink.taken[100]))
    eventually(lambda: len(sink.of(100)) > size)
    finish(redirector, writers)
    for writer in writers:
        assert_whole(sink.of(writer.worker.pid), writer.sent)
    assert sink.most_inside == 1
    assert redirector.counters()["stdout"]["dropped"] == 0


@pytest.mark.slow
def test_the_reader_waits_for_a_second_thread_that_is_behind(
    pump: Pump, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("circus.stream.watchdog.STUCK_AFTER", 60.0)  # slow, but not stuck
    sink = SlowSink()
    redirector, writers = crew(sink)
    eventually(lambda: relayed(pump))
    sink.opened.clear()
    lane = pump._relay.lane
    eventually(lambda: lane.backlog > circus.stream.delivery.RELAY_BUFFER)
    # What is beyond the limit is one read, however long the writers go on.
    read = redirector.counters()["stdout"]["bytes"]
    most = circus.stream.delivery.RELAY_BUFFER + 2 * circus.stream.pipe.READ_SIZE
    assert lane.backlog <= most
    time.sleep(0.1)
    assert lane.backlog <= most
    assert redirector.counters()["stdout"]["bytes"] <= read + circus.stream.pipe.READ_SIZE
    sink.opened.set()
    finish(redirector, writers)
    for writer in writers:
        assert_whole(sink.of(writer.worker.pid), writer.sent)


@pytest.mark.slow
def test_a_second_thread_that_is_stuck_holds_up_its_own_workers_only(
    pump: Pump, crew: Crew, make_worker: Callable[..., FakeWorker], caplog: pytest.LogCaptureFixture
) -> None:
    sink, other, worker = SlowSink(), QueueStream(), make_worker(7)
    redirector, writers = crew(sink)
    fine = Redirector(other, None)
    fine.start()
    fine.add_redirections(worker)
    eventually(lambda: relayed(pump))
    sink.opened.clear()
    eventually(lambda: redirector.counters()["stdout"]["blocked"] > 0.1)
    for number in range(5):
        worker.write(b"%d\n" % number)
        assert other.get(timeout=5)["data"] == b"%d\n" % number
    assert not relayed(pump)
    eventually(lambda: "takes no output for more than 1 s; its workers wait" in caplog.text)
    sink.opened.set()
    eventually(lambda: "takes output again" in caplog.text)
    finish(redirector, writers)
    for writer in writers:
        assert_whole(sink.of(writer.worker.pid), writer.sent)
    assert sink.most_inside == 1
    assert redirector.counters()["stdout"]["dropped"] == 0
    fine.stop()


@pytest.mark.slow
def test_the_second_thread_goes_when_there_is_little_to_do(pump: Pump, crew: Crew) -> None:
    redirector, writers = crew(SlowSink())
    relay = eventually(lambda: pump._relay)
    finish(redirector, writers[1:])
    silent = writers[0]
    silent._ending.set()
    eventually(lambda: not relayed(pump))  # though its outlet has a pipe still
    assert relay.lane.closed
    assert relay.outlet.lane is pump._main
    finish(redirector, [silent])


@pytest.mark.slow
def test_small_chunks_alone_do_not_keep_it(
    pump: Pump, crew: Crew, make_worker: Callable[..., FakeWorker]
) -> None:
    sink, talker = SlowSink(), make_worker(7)
    redirector, writers = crew(sink)
    redirector.add_redirections(talker)
    eventually(lambda: relayed(pump))
    finish(redirector, writers)
    said = 0

    def gone() -> bool:
        nonlocal said
        talker.write(b"%d\n" % said)
        said += 1
        return not relayed(pump)

    eventually(gone)
    talker.die()
    eventually(lambda: sink.of(7) == b"".join(b"%d\n" % number for number in range(said)))


@pytest.mark.slow
def test_last_words_are_written_before_the_end_is_told(pump: Pump, crew: Crew, loop: ManualLoop) -> None:
    sink = SlowSink()
    redirector, writers = crew(sink, loop=loop)
    eventually(lambda: relayed(pump))
    first = writers[0]
    first.end()
    told: list[int] = []
    redirector.drain(first.worker, lambda: told.append(len(sink.of(first.worker.pid))))
    if not told:
        loop.run()
    assert told == [first.sent]
    assert_whole(sink.of(first.worker.pid), first.sent)


@pytest.mark.slow
@pytest.mark.parametrize("grandchild", [False, True])
def test_an_end_is_not_told_while_the_second_thread_has_last_words(
    pump: Pump, crew: Crew, loop: ManualLoop, monkeypatch: pytest.MonkeyPatch, grandchild: bool
) -> None:
    monkeypatch.setattr("circus.stream.watchdog.STUCK_AFTER", 60.0)
    monkeypatch.setattr("circus.stream.delivery.RELAY_BUFFER", 1 << 40)  # so all of it is read, and waits there
    sink = SlowSink()
    redirector, writers = crew(sink, loop=loop)
    eventually(lambda: relayed(pump))
    sink.opened.clear()
    first = writers[0]
    pipe = redirector._active[first.worker.stdout.fileno()]
    held = os.dup(first.worker.out) if grandchild else -1
    for writer in writers:
        writer.end()
    eventually(lambda: pipe.lane is None if held < 0 else not pipe.unread() and not pipe.busy)  # all was read
    told: list[int] = []
    redirector.drain(first.worker, lambda: told.append(len(sink.of(first.worker.pid))))
    assert not told
    sink.opened.set()
    loop.run()
    assert told == [first.sent]
    if grandchild:
        os.close(held)


@pytest.mark.slow
def test_what_was_read_is_written_when_the_pump_has_settled(
    pump: Pump, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circus.stream.pump, "SETTLE_LIMIT", 10.0)
    sink = SlowSink()
    redirector, _ = crew(sink)
    eventually(lambda: relayed(pump))
    read = redirector.counters()["stdout"]["bytes"]
    pump.settle({channel.route.outlet for channel in redirector._channels.values()})
    assert sum(len(sink.of(pid)) for pid in list(sink.taken)) >= read


@pytest.mark.slow
def test_another_stream_takes_over_in_the_midst(
    pump: Pump, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circus.stream.pump, "SETTLE_LIMIT", 10.0)
    before, after = SlowSink(), SlowSink()
    redirector, writers = crew(before)
    eventually(lambda: relayed(pump))
    redirector.change_stream("stdout", after)
    calls = sum(map(len, before.taken.values()))
    eventually(lambda: all(after.of(writer.worker.pid) for writer in writers))
    finish(redirector, writers)
    for writer in writers:
        pid = writer.worker.pid
        assert_whole(before.of(pid) + after.of(pid), writer.sent)
    assert sum(map(len, before.taken.values())) == calls  # when it returned the old stream was done with
    assert before.most_inside == after.most_inside == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("writers", "kind", "overflow"),
    [(CROWD - 1, SlowSink, "block"), (WRITERS, SlowSink, "drop-oldest"), (WRITERS, ForeignSink, "block")],
    ids=["few writers", "a stream that drops", "a foreign stream"],
)
def test_one_thread_is_enough(
    pump: Pump, crew: Crew, monkeypatch: pytest.MonkeyPatch, writers: int, kind: type[SlowSink], overflow: str
) -> None:
    monkeypatch.setattr("circus.stream.watchdog.STUCK_AFTER", 60.0)
    sink = kind(overflow)
    redirector, crowd = crew(sink, writers)
    redirector.buffer = circus.stream.pipe.READ_SIZE
    redirector.change_stream("stdout", sink)
    eventually(lambda: redirector.counters()["stdout"]["bytes"] > 20 * writers * circus.stream.pipe.READ_SIZE)
    assert len(sink.threads) == 1
    finish(redirector, crowd)


@pytest.mark.slow
def test_no_thread_for_it_is_said_once(
    pump: Pump, crew: Crew, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = Pump._start_thread

    def no_more(self: Pump, seat: Any) -> None:
        if seat.outlet is not None:
            raise RuntimeError("can't start new thread")
        start(self, seat)

    monkeypatch.setattr(Pump, "_start_thread", no_more)
    sink = SlowSink()
    redirector, writers = crew(sink)
    eventually(lambda: "no second thread" in caplog.text)
    size = redirector.counters()["stdout"]["bytes"]
    eventually(lambda: redirector.counters()["stdout"]["bytes"] > size + 20 * WRITERS * circus.stream.pipe.READ_SIZE)
    assert caplog.text.count("no second thread") == 1
    assert not relayed(pump)
    finish(redirector, writers)
    for writer in writers:
        assert_whole(sink.of(writer.worker.pid), writer.sent)
