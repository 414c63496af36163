"""Sinks that are stuck, policies, threads that come and go, descriptors that live on elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import circus.stream.pump
import circus.stream.threads
from circus.stream import FileStream, QueueStream, Redirector
from circus.stream.shared import shared_pump, shutdown
from harness.waiting import eventually

from .conftest import FakeWorker, ManualLoop, pump_threads

MakeWorker = Callable[..., FakeWorker]


class Gate:
    """A sink that takes output only while it is open."""

    def __init__(self, overflow: str = "block", buffer: int = 1 << 20) -> None:
        self.overflow, self.buffer = overflow, buffer
        self.opened = threading.Event()
        self.taken: list[bytes] = []
        self.inside = 0
        self.most_inside = 0

    def __call__(self, data: dict[str, Any]) -> None:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.opened.wait(30)
        self.taken.append(data["data"])
        self.inside -= 1


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


def redirect(sink: Any, worker: FakeWorker, loop: Any = None) -> Redirector:
    redirector = Redirector(sink, None, loop=loop)
    redirector.start()
    redirector.add_redirections(worker)
    return redirector


def fill(fd: int) -> int:
    """Write until the pipe is full; returns how much that was."""
    os.set_blocking(fd, False)
    total = 0
    try:
        while True:
            total += os.write(fd, b"x" * 1023 + b"\n")
    except BlockingIOError:
        return total


def own_lanes() -> int:
    return len(pump_threads()) - 2  # the main one and the watchdog


@pytest.mark.slow
def test_a_stuck_sink_holds_up_its_own_workers_only(
    make_worker: MakeWorker, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    other = QueueStream()
    stuck_worker, worker, late = make_worker(1), make_worker(2), make_worker(3)
    stuck, fine = redirect(gate, stuck_worker), redirect(other, worker)
    stuck_worker.write(b"first\n")
    eventually(lambda: gate.inside == 1)
    for number in range(5):
        worker.write(b"%d\n" % number)
        assert other.get(timeout=5)["data"] == b"%d\n" % number
    stuck_worker.write(b"second\n")
    stuck.add_redirections(late)  # a new worker of the same stream waits as well
    assert fill(late.out) >= 60_000
    eventually(lambda: stuck.counters()["stdout"]["blocked"] > 0.1)
    eventually(lambda: "takes no output for more than 1 s; its workers wait" in caplog.text)
    gate.opened.set()
    late.die()
    eventually(lambda: late.stdout.fileno() not in stuck._active)
    assert gate.taken[0] == b"first\n"
    eventually(lambda: b"second\n" in gate.taken)
    assert gate.most_inside == 1
    assert stuck.counters()["stdout"]["dropped"] == 0
    assert stuck.counters()["stdout"]["blocked"] > 0.1
    stuck.stop()
    fine.stop()


def test_all_whose_stream_is_stuck_can_tell(make_worker: MakeWorker, gate: Gate) -> None:
    workers = [make_worker(1), make_worker(2)]
    first, second = (redirect(gate, worker) for worker in workers)
    workers[0].write(b"x\n")
    eventually(lambda: first.troubles() and second.troubles())
    for redirector in (first, second):
        [(name, trouble)] = redirector.troubles().items()
        assert (name, trouble["dropped"], trouble["to"]) == ("stdout", 0, "Gate")
        assert trouble["stuck"] >= 0.1
    gate.opened.set()
    eventually(lambda: not first.troubles() and not second.troubles())
    first.stop()
    second.stop()


def test_two_stuck_sinks_have_a_thread_each(make_worker: MakeWorker) -> None:
    gates, other = [Gate(), Gate()], QueueStream()
    workers = [make_worker(pid) for pid in range(3)]
    redirectors = [redirect(sink, worker) for sink, worker in zip([*gates, other], workers, strict=True)]
    for worker in workers:
        worker.write(b"x\n")
    assert other.get(timeout=5)["data"] == b"x\n"
    eventually(lambda: own_lanes() == 2)
    for gate in gates:
        gate.opened.set()
    eventually(lambda: all(gate.taken == [b"x\n"] for gate in gates))
    for redirector in redirectors:
        redirector.stop()


@pytest.mark.slow
def test_a_sink_that_recovered_comes_back_to_the_shared_thread(
    make_worker: MakeWorker, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circus.stream.threads, "REJOIN_AFTER", 0.3)
    worker = make_worker()
    redirector = redirect(gate, worker)
    worker.write(b"1\n")
    eventually(lambda: own_lanes() == 1)
    gate.opened.set()
    worker.write(b"2\n")
    eventually(lambda: gate.taken == [b"1\n", b"2\n"])
    eventually(lambda: own_lanes() <= 0)
    worker.write(b"3\n")
    eventually(lambda: gate.taken == [b"1\n", b"2\n", b"3\n"])
    redirector.stop()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["drop-oldest", "drop-newest"])
def test_dropping_policies_keep_the_worker_going(make_worker: MakeWorker, policy: str) -> None:
    gate = Gate(policy, buffer=10_000)
    worker = make_worker()
    redirector = redirect(gate, worker)
    lines = [b"%09d\n" % number for number in range(20_000)]
    worker.write(lines[0])
    eventually(lambda: gate.inside == 1)
    eventually(lambda: own_lanes() == 1)
    for start in range(1, len(lines), 1000):  # blocks until it is read: it does not hang
        worker.write(b"".join(lines[start : start + 1000]))
    eventually(lambda: redirector.counters()["stdout"]["bytes"] == 200_000)
    eventually(lambda: redirector.counters()["stdout"]["dropped"] >= 180_000)
    gate.opened.set()
    worker.die()
    taken = eventually(
        lambda: (
            b"".join(gate.taken)
            if len(b"".join(gate.taken)) + redirector.counters()["stdout"]["dropped"] == 200_000
            else None
        )
    )
    kept = taken.splitlines(keepends=True)
    assert kept == [line for line in lines if line in set(kept)]  # whole lines, in their order
    assert kept[0] == lines[0]  # that one was with the sink
    if policy == "drop-oldest":
        assert kept[-1] == lines[-1]
        assert lines[1] not in kept
    else:
        assert lines[-1] not in kept
    assert 5_000 < len(taken) <= 10_010
    assert gate.most_inside == 1
    redirector.stop()


def test_a_full_fifo_delays_nobody(make_worker: MakeWorker, tmp_path: Path) -> None:
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    stream, other = FileStream(fifo), FileStream(str(tmp_path / "log"))
    clogged, worker = make_worker(1), make_worker(2)
    stuck, fine = redirect(stream, clogged), redirect(other, worker)
    written: list[int] = []

    def is_stuck() -> bool:
        written.append(fill(clogged.out))
        return own_lanes() == 1

    eventually(is_stuck)
    worker.write(b"flows\n")
    eventually(lambda: (tmp_path / "log").read_bytes() == b"flows\n")
    before = time.monotonic()
    stuck.stop()
    stream.close()
    fine.stop()
    other.close()
    assert time.monotonic() - before < 0.9
    counted = stuck.counters()["stdout"]
    assert counted["bytes"] + counted["dropped"] == sum(written)  # read, or given up in the pipe
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # lets the stuck thread end
    while stream._file is not None and not stream._file.closed:
        try:
            os.read(reader, 1 << 20)
        except BlockingIOError:
            time.sleep(0.01)
    os.close(reader)


@pytest.mark.slow
def test_exit_is_not_delayed_by_a_stuck_sink(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
sys.path[:0] = {sys.path!r}
from circus.stream import FileStream, Redirector
class Worker:
    pid, pipe_stdout, pipe_stderr, stderr = 1, True, False, None
def redirect(sink):
    worker = Worker(); reading, writing = os.pipe(); worker.stdout = os.fdopen(reading, "rb", 0)
    redirector = Redirector(sink, None); redirector.start(); redirector.add_redirections(worker)
    return writing, redirector, worker
os.mkfifo({str(tmp_path / "fifo")!r})
stuck = redirect(FileStream({str(tmp_path / "fifo")!r}))
os.write(stuck[0], b"x" * 60000)
os.write(stuck[0], b"x" * 60000)
time.sleep(0.3)
fine = redirect(FileStream({str(tmp_path / "log")!r}))
os.write(fine[0], b"last words without a newline")
print(time.time())
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert time.time() - float(out.stdout) < 3
    assert out.stderr == ""
    assert (tmp_path / "log").read_bytes() == b"last words without a newline"


def test_drain_waits_a_second_for_a_stuck_sink_and_keeps_the_order(
    make_worker: MakeWorker, gate: Gate, loop: ManualLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second after which a drain waits no more may be over before this test gets there.
    monkeypatch.setattr(circus.stream.pump.Pump, "_is_hung", lambda self, pipe: False)
    first, second = make_worker(1), make_worker(2)
    redirector = redirect(gate, first, loop)
    first.write(b"1\n")
    eventually(lambda: own_lanes() == 1)
    first.write(b"2\n")
    first.die()
    called: list[int] = []
    redirector.drain(first, lambda: called.append(1))
    assert not called
    assert [delay for delay, _ in loop.timers] == [1.0]
    loop.fire_timers()
    assert called == [1]
    redirector.remove_redirections(first)
    first.close()  # what it said is kept: the pipe lives on as a copy
    redirector.add_redirections(second)
    gate.opened.set()
    eventually(lambda: gate.taken == [b"1\n", b"2\n"])
    loop.run()
    assert called == [1]  # once
    second.write(b"3\n")
    eventually(lambda: gate.taken == [b"1\n", b"2\n", b"3\n"])
    redirector.stop()


@pytest.mark.slow
def test_drain_does_not_wait_for_a_sink_that_hangs_for_long(
    make_worker: MakeWorker, gate: Gate, loop: ManualLoop
) -> None:
    worker = make_worker(1)
    redirector = redirect(gate, worker, loop)
    worker.write(b"1\n")
    eventually(lambda: redirector.counters()["stdout"]["blocked"] > 1)
    worker.write(b"2\n")
    worker.die()
    called: list[int] = []
    redirector.drain(worker, lambda: called.append(1))
    assert called == [1]
    worker.close()
    gate.opened.set()
    eventually(lambda: gate.taken == [b"1\n", b"2\n"])
    redirector.stop()


def test_stopping_says_how_much_was_given_up(
    make_worker: MakeWorker, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    worker = make_worker(1)
    redirector = redirect(gate, worker)
    worker.write(b"1\n")
    eventually(lambda: own_lanes() == 1)
    worker.write(b"12345\n")
    redirector.stop()
    assert redirector.counters()["stdout"]["dropped"] == 6
    assert "6 bytes of output were given up: their stream is stuck" in caplog.text
    gate.opened.set()


def test_a_silent_worker_of_a_stuck_sink_is_not_waited_for(
    make_worker: MakeWorker, gate: Gate, loop: ManualLoop
) -> None:
    talker, silent = make_worker(1), make_worker(2)
    redirector = redirect(gate, talker, loop)
    redirector.add_redirections(silent)
    talker.write(b"1\n")
    eventually(lambda: own_lanes() == 1)
    silent.die()
    called: list[int] = []
    redirector.drain(silent, lambda: called.append(1))
    assert called == [1]
    gate.opened.set()
    redirector.stop()


def test_a_stuck_stream_can_be_replaced(make_worker: MakeWorker, gate: Gate) -> None:
    fresh = QueueStream()
    worker = make_worker()
    redirector = redirect(gate, worker)
    worker.write(b"old\n")
    eventually(lambda: own_lanes() == 1)
    before = time.monotonic()
    redirector.change_stream("stdout", fresh)
    assert time.monotonic() - before < 0.9
    worker.write(b"new\n")
    assert fresh.get(timeout=5)["data"] == b"new\n"
    redirector.change_stream("stdout", gate)  # and back: it has its own thread still
    worker.write(b"back\n")
    gate.opened.set()
    eventually(lambda: gate.taken == [b"old\n", b"back\n"])
    assert gate.most_inside == 1
    redirector.stop()


def test_shutdown_writes_what_is_left_and_the_pump_works_again(make_worker: MakeWorker, gate: Gate) -> None:
    stream = QueueStream()
    talker, worker = make_worker(1), make_worker(2)
    stuck, redirector = redirect(gate, talker), redirect(stream, worker)
    talker.write(b"1\n")
    eventually(lambda: own_lanes() == 1)
    worker.write(b"whole\nhalf")
    before = time.monotonic()
    shutdown(5.0)
    assert time.monotonic() - before < 4
    assert b"".join(stream.get_nowait()["data"] for _ in range(stream.qsize())) == b"whole\nhalf"
    redirector.stop()
    late = make_worker(3)
    again = redirect(stream, late)
    late.write(b"again\n")
    assert stream.get(timeout=5)["data"] == b"again\n"
    gate.opened.set()
    again.stop()
    stuck.stop()


@pytest.mark.slow
def test_an_idle_pump_waits_without_a_timer_and_ends_without_pipes(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    pump = shared_pump()
    stream = QueueStream()
    worker = make_worker()
    redirector = redirect(stream, worker)
    worker.write(b"x\n")
    stream.get(timeout=5)
    assert pump._seat is not None
    assert pump._patience(pump._seat) is None
    eventually(lambda: not pump._watchdog._awake)
    redirector.stop()
    eventually(lambda: not pump_threads())
    worker = make_worker()
    redirector = redirect(stream, worker)  # and it starts again
    worker.write(b"y\n")
    assert stream.get(timeout=5)["data"] == b"y\n"
    redirector.stop()


def test_many_single_bytes_are_not_a_thread_each_nor_lost(make_worker: MakeWorker) -> None:
    stream = QueueStream()
    worker = make_worker()
    redirector = redirect(stream, worker)
    for _ in range(3000):
        worker.write(b"a\n")
    worker.die()
    done = threading.Event()
    redirector.drain(worker, done.set)
    assert done.wait(5)
    taken = [stream.get_nowait()["data"] for _ in range(stream.qsize())]
    assert b"".join(taken) == b"a\n" * 3000
    assert len(taken) < 2500  # small writes in quick succession are read together
    redirector.stop()


@pytest.mark.slow
def test_a_descriptor_closed_behind_our_back_does_not_spin(make_worker: MakeWorker) -> None:
    """Row 53: another process still holds the pipe, so that epoll cannot forget it."""
    stream = QueueStream()
    worker, other = make_worker(1), make_worker(2)
    redirector = redirect(stream, worker)
    redirector.add_redirections(other)
    elsewhere = os.dup(worker.stdout.fileno())
    worker.stdout.close()
    worker.write(b"nobody reads this\n")  # ready for ever
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.15
    other.write(b"fine\n")
    assert stream.get(timeout=5)["data"] == b"fine\n"
    os.close(elsewhere)
    redirector.stop()


def test_a_pipe_of_a_busy_worker_is_made_larger(make_worker: MakeWorker, gate: Gate) -> None:
    import fcntl

    worker = make_worker()
    assert fcntl.fcntl(worker.out, fcntl.F_GETPIPE_SZ) == 65536
    redirector = Redirector(gate, None)
    redirector.add_redirections(worker)
    fill(worker.out)
    redirector.start()
    gate.opened.set()
    eventually(lambda: fcntl.fcntl(worker.out, fcntl.F_GETPIPE_SZ) == 1 << 20)
    redirector.stop()


@pytest.mark.slow
def test_every_line_of_many_busy_workers_arrives_whole(tmp_path: Path) -> None:
    """Many workers, several files, real throughput: every byte arrives, whole lines each."""
    workers = [FakeWorker(pid) for pid in range(8)]
    streams = [FileStream(str(tmp_path / str(number)), time_format=None) for number in range(2)]
    redirectors = [Redirector(stream, None) for stream in streams]
    for redirector in redirectors:
        redirector.start()
    for worker in workers:
        redirectors[worker.pid % 2].add_redirections(worker)
    lines = {worker.pid: b"%d %s\n" % (worker.pid, b"x" * 77) for worker in workers}

    def write(worker: FakeWorker) -> None:
        block = lines[worker.pid] * 50
        for _ in range(500):
            view = memoryview(block)
            while view:
                view = view[os.write(worker.out, view[:1000]) :]

    threads = [threading.Thread(target=write, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for worker in workers:
        worker.die()
        done = threading.Event()
        redirectors[worker.pid % 2].drain(worker, done.set)
        assert done.wait(10)
        worker.close()
    for redirector, stream in zip(redirectors, streams, strict=True):
        redirector.stop()
        stream.close()
    for number in range(2):
        found = (tmp_path / str(number)).read_bytes().splitlines(keepends=True)
        assert sorted(found) == sorted(lines[pid] for pid in range(number, 8, 2) for _ in range(25_000))
