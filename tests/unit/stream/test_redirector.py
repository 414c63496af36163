"""What a watcher can rely on: pipes known and read, streams changed, last words delivered, counters."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from circus.stream import FileStream, QueueStream, Redirector, delivery, pump
from harness.waiting import eventually

from .conftest import FakeWorker, ManualLoop

MakeWorker = Callable[..., FakeWorker]


def chunks(stream: QueueStream) -> list[tuple[bytes, int, str]]:
    found = []
    while not stream.empty():
        item = stream.get_nowait()
        assert sorted(item) == ["data", "name", "pid"]
        found.append((item["data"], item["pid"], item["name"]))
    return found


def drained(redirector: Redirector, worker: Any) -> None:
    done = threading.Event()
    redirector.drain(worker, done.set)
    assert done.wait(5)


def test_surface(make_worker: MakeWorker, loop: ManualLoop) -> None:
    out, err = QueueStream(), QueueStream()
    redirector = Redirector(out, err, buffer=1024, loop=loop)
    assert (redirector.running, redirector.pipes, redirector._active) == (False, {}, {})
    assert redirector.redirect == {"stdout": out, "stderr": err}
    assert (redirector.buffer, redirector.loop) == (1024, loop)
    worker = make_worker(stderr=True)
    redirector.add_redirections(worker)
    assert worker.redirected
    assert redirector.pipes == {
        worker.stdout.fileno(): ("stdout", worker, worker.stdout),
        worker.stderr.fileno(): ("stderr", worker, worker.stderr),
    }
    assert redirector._active == {}
    assert redirector.start() == 2
    assert redirector.running
    assert redirector.start() == 0
    redirector.add_redirections(make_worker(8))
    assert len(redirector._active) == 3
    assert redirector.stop() == 3
    assert not redirector.running
    assert redirector.stop() == 0
    assert len(redirector.pipes) == 3  # known still
    redirector.remove_redirections(worker)
    assert not worker.redirected
    assert len(redirector.pipes) == 1


def test_output_goes_to_the_stream_of_its_name(make_worker: MakeWorker) -> None:
    out, err = QueueStream(), QueueStream()
    redirector = Redirector(out, err)
    redirector.start()
    worker = make_worker(7, stderr=True)
    redirector.add_redirections(worker)
    worker.write(b"out\n")
    os.write(worker.err, b"err\n")
    assert out.get(timeout=5) == {"data": b"out\n", "pid": 7, "name": "stdout"}
    assert err.get(timeout=5) == {"data": b"err\n", "pid": 7, "name": "stderr"}
    redirector.stop()


def test_only_captured_outputs_are_pipes(make_worker: MakeWorker) -> None:
    worker = make_worker(stderr=True)
    worker.pipe_stdout = False
    assert list(Redirector.get_process_pipes(worker)) == [("stderr", worker.stderr)]


def test_custom_streams_get_whole_lines_and_characters(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 51: a character or a line on the border of two reads stays in one piece."""
    usual = delivery.PARTIAL_AFTER
    monkeypatch.setattr(delivery, "PARTIAL_AFTER", 60.0)  # or a stop between two pieces would show the first
    stream = QueueStream()
    redirector = Redirector(stream, None)
    redirector.start()
    worker = make_worker()
    redirector.add_redirections(worker)
    for piece in (b"caf\xc3", b"\xa9 and "):
        worker.write(piece)
    monkeypatch.setattr(delivery, "PARTIAL_AFTER", usual)
    worker.write(b"more\nnext")
    assert stream.get(timeout=5)["data"] == "café and more\n".encode()
    assert stream.get(timeout=5)["data"] == b"next"  # a prompt, say: shown after a moment
    worker.write(b" line\n")
    assert stream.get(timeout=5)["data"] == b" line\n"
    redirector.stop()


def test_custom_streams_get_limited_pieces(make_worker: MakeWorker) -> None:
    stream = QueueStream()
    redirector = Redirector(stream, None, buffer=32)
    redirector.add_redirections(worker := make_worker())
    worker.write(b"12345678901234\n" * 5 + b"x" * 50 + b"\n" + b"end\n")
    redirector.start()
    worker.die()
    drained(redirector, worker)
    assert [data for data, _, _ in chunks(stream)] == [
        b"12345678901234\n" * 2,
        b"12345678901234\n" * 2,
        b"12345678901234\n",
        b"x" * 50 + b"\n",
        b"end\n",
    ]
    redirector.stop()


def test_a_subclass_of_a_built_in_stream_that_replaces_the_call_is_called(
    make_worker: MakeWorker, tmp_path: Path
) -> None:
    class Shouting(FileStream):
        def __call__(self, data: dict[str, Any]) -> None:
            super().__call__({**data, "data": data["data"].upper()})

    stream = Shouting(str(tmp_path / "log"))
    redirector = Redirector(stream, None)
    redirector.start()
    redirector.add_redirections(worker := make_worker())
    worker.write(b"hello\n")
    worker.die()
    drained(redirector, worker)
    redirector.stop()
    stream.close()
    assert (tmp_path / "log").read_bytes() == b"HELLO\n"


@pytest.mark.usefixtures("no_partial_lines")
def test_lines_of_several_workers_are_not_mixed_in_one_file(make_worker: MakeWorker, tmp_path: Path) -> None:
    stream = FileStream(str(tmp_path / "log"))
    redirector = Redirector(stream, stream)
    redirector.start()
    workers = [make_worker(pid, stderr=True) for pid in (1, 2, 3)]
    for worker in workers:
        redirector.add_redirections(worker)
    for number in range(50):
        for half in (b"first half %d and " % number, b"second half\n"):
            for worker in workers:
                os.write(worker.out, half)
                os.write(worker.err, half)
    for worker in workers:
        worker.die()
        drained(redirector, worker)
    redirector.stop()
    stream.close()
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert sorted(lines) == sorted([b"first half %d and second half" % n for n in range(50)] * 6)


@pytest.mark.usefixtures("no_partial_lines")
def test_two_streams_on_one_file_do_not_mix_lines_either(make_worker: MakeWorker, tmp_path: Path) -> None:
    out, err = FileStream(str(tmp_path / "log")), FileStream(str(tmp_path / "log"))
    redirector = Redirector(out, err)
    redirector.start()
    redirector.add_redirections(worker := make_worker(stderr=True))
    for number in range(100):
        for half in (b"%d and " % number, b"rest\n"):
            os.write(worker.out, half)
            os.write(worker.err, half)
    worker.die()
    drained(redirector, worker)
    redirector.stop()
    out.close()
    err.close()
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert sorted(lines) == sorted([b"%d and rest" % number for number in range(100)] * 2)


@pytest.fixture
def prefixed(make_worker: MakeWorker, tmp_path: Path) -> Callable[..., bytes]:
    """What a worker writes piece by piece, as it stands in a file whose lines get a prefix."""

    def write(*pieces: bytes) -> bytes:
        stream = FileStream(str(tmp_path / "log"), time_format="T")
        redirector = Redirector(stream, None)
        redirector.start()
        redirector.add_redirections(worker := make_worker(7))
        writer = threading.Thread(target=lambda: [os.write(worker.out, piece) for piece in pieces])
        writer.start()
        writer.join(5)
        worker.die()
        drained(redirector, worker)
        redirector.stop()
        stream.close()
        return (tmp_path / "log").read_bytes()

    return write


def test_a_prefix_for_each_line_not_for_each_read(prefixed: Callable[..., bytes]) -> None:
    line = b"x" * 200_000
    assert prefixed(line, b"\nhalf") == b"T [7] | " + line + b"\nT [7] | half\n"


def test_a_line_longer_than_memory_allows_still_gets_one_prefix(prefixed: Callable[..., bytes]) -> None:
    line = "é".encode() * 400_000
    assert prefixed(line, b"!\n") == b"T [7] | " + line + b"!\n"


# -- the end of a worker -------------------------------------------------------------------------------------


def test_drain_calls_back_at_once_when_there_is_nothing(make_worker: MakeWorker, loop: ManualLoop) -> None:
    redirector = Redirector(QueueStream(), QueueStream(), loop=loop)
    redirector.start()
    redirector.add_redirections(worker := make_worker(stderr=True))
    worker.die()
    called: list[int] = []
    redirector.drain(worker, lambda: called.append(1))
    if not called:  # the pump's thread was looking at the pipe at that moment
        loop.run()
    assert called == [1]
    assert not loop.timers
    assert not redirector.pipes
    assert not redirector._active
    redirector.drain(worker, lambda: called.append(2))  # nothing is known of it any more
    assert called == [1, 2]
    redirector.remove_redirections(worker)
    redirector.stop()


def test_last_words_arrive_before_the_callback(make_worker: MakeWorker, loop: ManualLoop) -> None:
    out, err = QueueStream(), QueueStream()
    redirector = Redirector(out, err, loop=loop)
    redirector.add_redirections(worker := make_worker(7, stderr=True))
    worker.write(b"o" * 60_000 + b"\nno newline at the end")
    os.write(worker.err, b"Traceback: ...\n")
    redirector.start()
    worker.die()
    told: list[Any] = []
    redirector.drain(worker, lambda: told.append((out.qsize() > 0, err.qsize() > 0)))
    if not told:
        loop.run()
    assert told == [(True, True)]
    assert b"".join(data for data, _, _ in chunks(out)) == b"o" * 60_000 + b"\nno newline at the end"
    assert chunks(err) == [(b"Traceback: ...\n", 7, "stderr")]
    assert not loop.timers
    redirector.stop()


@pytest.mark.slow
def test_twenty_short_lived_children_lose_nothing(tmp_path: Path, loop: ManualLoop) -> None:
    """Row 52: 60 kB just before the exit, of real processes."""

    class Child:
        pipe_stdout, pipe_stderr, stderr = True, False, None

        def __init__(self, number: int) -> None:
            code = f"import os; os.write(1, b'{number:02}' * 30000); os._exit(0)"
            reading, writing = os.pipe()
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-S", "-c", code],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
            )
            os.close(writing)
            self.stdout = os.fdopen(reading, "rb", 0)

    streams = [FileStream(str(tmp_path / str(number))) for number in range(20)]
    redirectors = [Redirector(stream, None, loop=loop) for stream in streams]
    children = [Child(number) for number in range(20)]
    for redirector, child in zip(redirectors, children, strict=True):
        redirector.start()
        redirector.add_redirections(child)
    for number, (redirector, child) in enumerate(zip(redirectors, children, strict=True)):
        os.waitpid(child.pid, 0)
        finished: list[int] = []
        redirector.drain(child, lambda finished=finished: finished.append(1))  # type: ignore[misc]
        if not finished:
            loop.run()
        assert finished
        child.stdout.close()
        # What counts is what is in the file now, not what gets there later.
        assert (tmp_path / str(number)).read_bytes() == b"%02d" % number * 30_000
    for redirector, stream in zip(redirectors, streams, strict=True):
        redirector.stop()
        stream.close()


def test_a_pipe_held_by_a_grandchild_is_read_on_but_not_waited_for(make_worker: MakeWorker, loop: ManualLoop) -> None:
    stream = QueueStream()
    redirector = Redirector(stream, None, loop=loop)
    redirector.start()
    redirector.add_redirections(worker := make_worker(7))
    grandchild = os.dup(worker.out)
    worker.write(b"last words\n")
    assert stream.get(timeout=5)["data"] == b"last words\n"
    os.close(worker.out)
    worker.out = -1
    called: list[int] = []
    redirector.drain(worker, lambda: called.append(1))
    if not called:
        loop.run()
    redirector.remove_redirections(worker)
    worker.close()
    os.write(grandchild, b"still here\n")
    assert stream.get(timeout=5)["data"] == b"still here\n"
    assert len(redirector._adopted) == 1
    os.close(grandchild)
    eventually(lambda: not redirector._adopted)
    redirector.stop()


def test_stop_lets_go_of_grandchildren(make_worker: MakeWorker) -> None:
    redirector = Redirector(QueueStream(), None)
    redirector.start()
    redirector.add_redirections(worker := make_worker())
    grandchild = os.dup(worker.out)
    drained(redirector, worker)
    worker.close()
    redirector.stop()
    with pytest.raises(BrokenPipeError):
        os.write(grandchild, b"nobody reads this")
    os.close(grandchild)


def test_what_was_read_and_held_back_is_delivered_by_stop(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "SETTLE_LIMIT", 10.0)  # the pump's thread may not have its turn within 50 ms
    stream = QueueStream()
    redirector = Redirector(stream, None)
    redirector.start()
    redirector.add_redirections(worker := make_worker(7))
    worker.write(b"a line\nand a beginning")
    assert stream.get(timeout=5)["data"] == b"a line\n"
    redirector.stop()
    assert chunks(stream) == [(b"and a beginning", 7, "stdout")]


# -- descriptors ---------------------------------------------------------------------------------------------


def test_the_end_of_a_pipe_removes_it(make_worker: MakeWorker) -> None:
    redirector = Redirector(QueueStream(), None)
    redirector.start()
    redirector.add_redirections(worker := make_worker())
    worker.die()
    eventually(lambda: not redirector._active and not redirector.pipes)
    redirector.remove_redirections(worker)
    assert redirector.stop() == 0


def test_a_recycled_descriptor_is_another_pipe(make_worker: MakeWorker) -> None:
    """Row 53: closing without a word, and a new pipe with the same number."""
    stream = QueueStream()
    redirector = Redirector(stream, None)
    redirector.start()
    first = make_worker(1)
    redirector.add_redirections(first)
    number = first.stdout.fileno()
    first.stdout.close()  # before remove_redirections: wrong, and survivable
    second = make_worker(2)
    if second.stdout.fileno() != number:
        os.dup2(second.stdout.fileno(), number)
        second.stdout.close()
        second.stdout = os.fdopen(number, "rb", 0)
    redirector.add_redirections(second)
    second.write(b"mine\n")
    assert stream.get(timeout=5) == {"data": b"mine\n", "pid": 2, "name": "stdout"}
    redirector.remove_redirections(first)  # must not hit the second one
    second.write(b"still mine\n")
    assert stream.get(timeout=5)["data"] == b"still mine\n"
    redirector.stop()


def test_closed_files_are_ignored(make_worker: MakeWorker) -> None:
    redirector = Redirector(QueueStream(), None)
    worker = make_worker()
    redirector.add_redirections(worker)
    worker.stdout.close()
    assert redirector.start() == 0
    redirector.add_redirections(worker)
    assert redirector.pipes == {}
    redirector.remove_fd(999)
    redirector.stop()


def test_workers_that_come_and_go_quickly_lose_nothing_and_leave_nothing(make_worker: MakeWorker) -> None:
    stream = QueueStream()
    redirector = Redirector(stream, None)
    redirector.start()
    for pid in range(300):
        worker = make_worker(pid)
        redirector.add_redirections(worker)
        worker.write(b"%d\n" % pid)
        worker.die()
        drained(redirector, worker)
        redirector.remove_redirections(worker)
        worker.close()
    assert [(int(data), pid) for data, pid, _ in chunks(stream)] == [(pid, pid) for pid in range(300)]
    assert not redirector.pipes
    assert not redirector._active
    assert not redirector._adopted
    redirector.stop()


# -- streams -------------------------------------------------------------------------------------------------


def test_streams_are_changed_under_way(make_worker: MakeWorker) -> None:
    first, second = QueueStream(), QueueStream()
    redirector = Redirector(first, None)
    redirector.start()
    redirector.add_redirections(worker := make_worker())
    worker.write(b"1\n")
    assert first.get(timeout=5)["data"] == b"1\n"
    redirector.change_stream("stdout", second)
    assert redirector.get_stream("stdout") is second
    assert redirector.redirect["stdout"] is second
    worker.write(b"2\n")
    assert second.get(timeout=5)["data"] == b"2\n"
    assert first.empty()
    redirector.change_stream("stdout", None)  # read and thrown away, so that the worker does not wait
    worker.write(b"x" * 60_000)
    eventually(lambda: redirector.counters()["stdout"]["bytes"] == 60_004)
    redirector.stop()


def test_a_stream_that_raises_is_logged_once_and_reading_goes_on(
    make_worker: MakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(data: dict[str, Any]) -> None:
        raise KeyError("no such thing")

    redirector = Redirector(broken, None)
    redirector.start()
    redirector.add_redirections(worker := make_worker(7))
    with caplog.at_level(logging.ERROR, "circus"):
        for number in range(3):
            worker.write(b"12345\n")
            eventually(lambda number=number: redirector.counters()["stdout"]["errors"] == number + 1)  # type: ignore[misc]
    assert redirector.counters()["stdout"] == {"bytes": 18, "dropped": 18, "errors": 3, "blocked": 0.0}
    [trouble] = redirector.troubles().values()
    assert (trouble["dropped"], trouble["to"].rpartition(".")[2], trouble["stuck"]) == (18, "broken", None)
    assert len(caplog.records) == 1
    assert "with output of pid 7: KeyError('no such thing')" in caplog.text
    redirector.stop()


def test_a_full_disk_shows_in_the_counters(make_worker: MakeWorker) -> None:
    stream = FileStream("/dev/full")
    redirector = Redirector(stream, None)
    redirector.start()
    redirector.add_redirections(worker := make_worker())
    assert redirector.troubles() == {}
    worker.write(b"12345\n")
    eventually(lambda: redirector.counters()["stdout"]["dropped"] == 6)
    assert redirector.troubles() == {"stdout": {"dropped": 6, "to": "FileStream /dev/full", "stuck": None}}
    redirector.change_stream("stdout", QueueStream())
    assert redirector.troubles() == {}, "the new stream has lost nothing"
    assert redirector.counters()["stdout"]["dropped"] == 6
    assert redirector.counters()["stdout"]["errors"] == 1
    worker.die()
    drained(redirector, worker)
    redirector.stop()
    stream.close()


def test_taps_see_every_chunk_and_a_broken_one_is_removed(make_worker: MakeWorker) -> None:
    stream = QueueStream()
    seen: list[Any] = []

    def broken(*_: Any) -> None:
        raise RuntimeError

    redirector = Redirector(stream, None)
    redirector.taps += [broken, lambda *chunk: seen.append(chunk)]
    redirector.start()
    redirector.add_redirections(worker := make_worker(7))
    worker.write(b"half")
    eventually(lambda: seen == [(b"half", 7, "stdout")])
    assert broken not in redirector.taps
    redirector.stop()


def test_a_loop_that_does_not_run_yet_is_enough(make_worker: MakeWorker) -> None:
    from circus.system.bootloop import BootLoop

    loop = BootLoop()
    redirector = Redirector(QueueStream(), None, loop=loop)
    redirector.start()
    redirector.add_redirections(worker := make_worker())
    worker.write(b"x\n")
    worker.die()
    called: list[int] = []
    redirector.drain(worker, lambda: called.append(1))

    def run() -> bool:
        loop.run_ready(1.0)
        return bool(called)

    eventually(run)
    redirector.stop()
