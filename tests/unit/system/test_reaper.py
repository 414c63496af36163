"""Each end is told once: whoever collects, however early the child dies, whatever descriptors are left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from circus.system import reaper as reaper_module
from circus.system.launch import Launch, start
from circus.system.proctable import children_of
from circus.system.reaper import Reaper, child_of, register_child
from harness.descriptors import open_descriptors, settled_descriptors
from harness.waiting import PATIENCE, eventually


def spawn(*argv: str, env: dict[str, str] | None = None) -> int:
    """A child that the reaper knows of, as ``Process`` makes them."""
    return register_child(start(Launch(argv, env=env or {}), sealed=True).pid).pid


class Ends:
    """Callback that remembers whose ends it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int | None]] = []

    def __call__(self, pid: int, returncode: int | None) -> None:
        self.told.append((pid, returncode))


class DeafLoop:
    """A loop that never tells of a readable descriptor, and calls back only when it is told to."""

    def __init__(self) -> None:
        self.readers: dict[int, Any] = {}
        self.calls: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def add_reader(self, fd: int, callback: Callable[..., object], *args: Any) -> None:
        self.readers[fd] = (callback, args)

    def remove_reader(self, fd: int) -> bool:
        return self.readers.pop(fd, None) is not None

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> None:
        self.calls.append((callback, args))

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        self.calls.append((callback, args))

    def run(self) -> None:
        calls, self.calls = self.calls, []
        for callback, args in calls:
            callback(*args)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture
def deaf() -> DeafLoop:
    return DeafLoop()


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def reaper(loop: asyncio.AbstractEventLoop) -> Iterator[Reaper]:
    made = Reaper(loop)
    yield made
    made.close()


@pytest.fixture
def no_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", refuse)


def run_until(loop: asyncio.AbstractEventLoop, check: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE

    async def wait() -> None:
        while not check():
            assert time.monotonic() < end, "not within the deadline"
            await asyncio.sleep(0.001)

    loop.run_until_complete(wait())


def wait_for_zombie(pid: int) -> None:
    eventually(lambda: child_of(pid).peek())


def test_exit_status_and_signal(loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends) -> None:
    plain, killed = spawn("sh", "-c", "exit 3"), spawn("sleep", "60")
    reaper.watch(plain, ends)
    reaper.watch(killed, ends)
    reaper.send(killed, signal.SIGKILL)
    run_until(loop, lambda: len(ends.told) == 2)
    assert dict(ends.told) == {plain: 3, killed: -signal.SIGKILL}
    assert not reaper.watches(plain)


def test_child_dead_before_it_is_watched(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
) -> None:
    pid = spawn("false")
    wait_for_zombie(pid)
    reaper.watch(pid, ends)
    assert ends.told == []  # on the loop, never from inside
    run_until(loop, lambda: ends.told)
    assert ends.told == [(pid, 1)]


def test_child_collected_before_it_is_watched(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
) -> None:
    pid = spawn("false")
    assert child_of(pid).wait() == 1
    reaper.watch(pid, ends)
    run_until(loop, lambda: ends.told)
    assert ends.told == [(pid, 1)]


@pytest.mark.slow
def test_of_500_quick_deaths_none_is_lost(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
) -> None:
    pids = []
    for _ in range(500):
        pids.append(spawn("true"))
        reaper.watch(pids[-1], ends)
    run_until(loop, lambda: len(ends.told) >= 500)
    assert sorted(ends.told) == sorted((pid, 0) for pid in pids)
    assert reaper.audit() == []


@pytest.mark.slow
def test_quick_deaths_without_any_pidfd(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends, no_pidfd: None
) -> None:
    pids = [spawn("true") for _ in range(50)]
    for pid in pids:
        reaper.watch(pid, ends)
    assert reaper.needs_sigchld
    run_until(loop, lambda: reaper.collect() is not None and len(ends.told) >= 50)
    assert sorted(ends.told) == sorted((pid, 0) for pid in pids)
    assert not reaper.needs_sigchld


def test_pidfd_is_asked_for_again(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lacking = os.pidfd_open, [True]

    def sometimes(pid: int) -> int:
        if lacking[0]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(pid)

    monkeypatch.setattr(os, "pidfd_open", sometimes)
    pid = spawn("sleep", "60")
    reaper.watch(pid, ends)
    reaper.audit()
    assert reaper.needs_sigchld
    lacking[0] = False
    reaper.audit()
    assert not reaper.needs_sigchld
    reaper.send(pid, signal.SIGTERM)
    run_until(loop, lambda: ends.told)
    assert ends.told == [(pid, -signal.SIGTERM)]


def test_callback_once_when_process_wait_is_faster(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
) -> None:
    pid = spawn("false")
    reaper.watch(pid, ends)
    assert reaper.wait_pid_sync(pid, PATIENCE) == 1
    assert ends.told == []
    run_until(loop, lambda: ends.told)
    loop.run_until_complete(asyncio.sleep(0))
    assert ends.told == [(pid, 1)]


def test_callback_once_when_another_thread_is_faster(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
) -> None:
    pids = [spawn("true") for _ in range(20)]
    for pid in pids:
        reaper.watch(pid, ends)
    records = [child_of(pid) for pid in pids]
    thread = threading.Thread(target=lambda: [record.wait(PATIENCE) for record in records])
    thread.start()
    run_until(loop, lambda: len(ends.told) == 20)
    thread.join()
    loop.run_until_complete(asyncio.sleep(0))
    assert sorted(ends.told) == sorted((pid, 0) for pid in pids)


def test_status_taken_by_somebody_else(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
) -> None:
    pid = spawn("false")
    reaper.watch(pid, ends)
    os.waitpid(pid, 0)
    run_until(loop, lambda: ends.told)
    assert ends.told == [(pid, None)]


def test_wait_pid_sync_has_a_limit(reaper: Reaper) -> None:
    pid = spawn("sleep", "60")
    with pytest.raises(TimeoutError):
        reaper.wait_pid_sync(pid, 0.01)
    reaper.send(pid, signal.SIGKILL)
    assert reaper.wait_pid_sync(pid, PATIENCE) == -signal.SIGKILL
    assert reaper.wait_pid_sync(pid) == -signal.SIGKILL


def test_wait_without_pidfd(reaper: Reaper, no_pidfd: None) -> None:
    pid = spawn("sleep", "60")
    with pytest.raises(TimeoutError):
        reaper.wait_pid_sync(pid, 0.001)
    end = threading.Timer(0.05, os.kill, [pid, signal.SIGTERM])
    end.start()
    assert reaper.wait_pid_sync(pid, PATIENCE) == -signal.SIGTERM
    end.join()


def test_poll_delivers_at_once(reaper: Reaper, ends: Ends) -> None:
    pid = spawn("sleep", "60")
    reaper.watch(pid, ends)
    assert not reaper.poll(pid)
    reaper.send(pid, signal.SIGTERM)
    wait_for_zombie(pid)
    assert reaper.poll(pid)
    assert ends.told == [(pid, -signal.SIGTERM)]
    assert reaper.poll(pid)
    assert len(ends.told) == 1


def test_released_child_is_collected_silently(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
) -> None:
    pid = spawn("sleep", "60")
    reaper.watch(pid, ends)
    reaper.release(pid)
    reaper.send(pid, signal.SIGKILL)
    run_until(loop, lambda: not reaper.watches(pid))
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    assert ends.told == []


def test_signals_never_reach_a_collected_pid(reaper: Reaper, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = spawn("true")
    record = child_of(pid)
    record.wait()
    monkeypatch.setattr(os, "kill", lambda *args: pytest.fail("signalled"))
    with pytest.raises(ProcessLookupError):
        record.send(signal.SIGTERM)
    with pytest.raises(ProcessLookupError):
        reaper.send(pid, signal.SIGTERM)


def test_recycled_descriptor_is_not_mistaken(
    loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
) -> None:
    """The number of the pidfd is given out again while its event may still be queued."""
    pid = spawn("true")
    reaper.watch(pid, ends)
    fd = child_of(pid).pidfd
    wait_for_zombie(pid)
    reaper.poll(pid)
    reading, writing = os.pipe()
    os.dup2(reading, fd)
    os.write(writing, b"x")
    other = spawn("sleep", "60")
    reaper.watch(other, ends)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert ends.told == [(pid, 0)]
    assert not loop.remove_reader(fd)
    for each in {reading, writing, fd}:
        os.close(each)
    reaper.send(other, signal.SIGKILL)
    run_until(loop, lambda: len(ends.told) == 2)


def test_recycled_pid_gets_both_ends(deaf: DeafLoop) -> None:
    """The first end is still on its way when the number is watched again."""
    first, second, reaper = Ends(), Ends(), Reaper(deaf)
    pid = spawn("false")
    reaper.watch(pid, first)
    child_of(pid).wait()
    register_child(pid)
    reaper.watch(pid, second)
    deaf.run()
    deaf.run()
    assert first.told == [(pid, 1)]
    assert second.told == [(pid, None)]


class TestAudit:
    def test_one_system_call_when_nothing_is_wrong(
        self, reaper: Reaper, ends: Ends, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with contextlib.suppress(ChildProcessError):  # zombies of other tests would be looked at more closely
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        pids = [spawn("sleep", "60") for _ in range(5)]
        for pid in pids:
            reaper.watch(pid, ends)
        calls = []
        real = os.waitid
        monkeypatch.setattr(os, "waitid", lambda *args: calls.append(args) or real(*args))
        monkeypatch.setattr(os, "waitpid", lambda *args: pytest.fail("too much"))
        assert reaper.audit() == []
        assert len(calls) == 1
        monkeypatch.undo()
        for pid in pids:
            reaper.send(pid, signal.SIGKILL)
            reaper.wait_pid_sync(pid)

    def test_missed_ends_are_told_and_named(self, deaf: DeafLoop, ends: Ends) -> None:
        reaper = Reaper(deaf)
        pids = [spawn("false") for _ in range(3)]
        for pid in pids:
            reaper.watch(pid, ends)
            wait_for_zombie(pid)
        assert reaper.audit() == []  # they may be on their way
        deaf.run()
        assert sorted(ends.told) == sorted((pid, 1) for pid in pids)
        assert sorted(reaper.audit()) == sorted(pids)
        assert reaper.audit() == []
        assert deaf.readers == {}

    def test_an_end_on_its_way_is_no_miss(
        self, loop: asyncio.AbstractEventLoop, reaper: Reaper, ends: Ends
    ) -> None:
        pid = spawn("false")
        reaper.watch(pid, ends)
        wait_for_zombie(pid)
        assert reaper.audit() == []
        run_until(loop, lambda: ends.told)
        loop.run_until_complete(asyncio.sleep(0.12))
        assert reaper.audit() == []

    def test_without_pidfd_it_tells_at_once(self, deaf: DeafLoop, ends: Ends, no_pidfd: None) -> None:
        reaper = Reaper(deaf)
        pid = spawn("false")
        reaper.watch(pid, ends)
        wait_for_zombie(pid)
        assert reaper.audit() == [pid]
        assert ends.told == [(pid, 1)]

    def test_foreign_zombie_hides_nothing_and_is_left_alone(self, deaf: DeafLoop, ends: Ends) -> None:
        foreign = subprocess.Popen(["true"])
        eventually(lambda: os.waitid(os.P_PID, foreign.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        reaper = Reaper(deaf)
        pid = spawn("false")
        reaper.watch(pid, ends)
        wait_for_zombie(pid)
        reaper.audit()
        deaf.run()
        assert ends.told == [(pid, 1)]
        reaper.collect()
        assert foreign.wait(PATIENCE) == 0

    def test_a_callback_that_fails_hides_no_other_end(
        self, deaf: DeafLoop, ends: Ends, no_pidfd: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(pid: int, returncode: int | None) -> None:
            raise RuntimeError("callback")

        reaper = Reaper(deaf)
        bad, good = spawn("true"), spawn("true")
        reaper.watch(bad, fail)
        reaper.watch(good, ends)
        wait_for_zombie(bad)
        wait_for_zombie(good)
        assert sorted(reaper.collect()) == sorted([bad, good])
        assert ends.told == [(good, 0)]
        assert f"the exit of pid {bad} could not be handled" in caplog.text


class TestOrphans:
    """The test process takes orphans over, see ``tests/conftest.py``; PID 1 does so anyway."""

    def orphan(self) -> int:
        """Pid of a process whose parent has died, so that it is our child now."""
        reading, writing = os.pipe()
        parent = start(Launch(("sh", "-c", "sleep 60 & echo $!"), stdout=writing))
        os.close(writing)
        pid = int(os.read(reading, 20))
        os.close(reading)
        os.waitpid(parent.pid, 0)
        if pid not in eventually(lambda: children_of(os.getpid())):
            os.kill(pid, signal.SIGKILL)
            pytest.skip("orphans do not come to us here")
        return pid

    def test_orphans_are_collected_when_asked_for(self, deaf: DeafLoop) -> None:
        pid = self.orphan()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        Reaper(deaf).collect()
        assert pid in children_of(os.getpid())
        Reaper(deaf, adopt_orphans=True).collect()
        assert pid not in children_of(os.getpid())

    @pytest.mark.parametrize("new_session", [False, True])
    def test_what_a_thread_of_ours_waits_for_is_left_to_it(self, deaf: DeafLoop, new_session: bool) -> None:
        own = subprocess.Popen(["false"], start_new_session=new_session)  # as hooks start programs
        eventually(lambda: os.waitid(os.P_PID, own.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        reaper = Reaper(deaf, adopt_orphans=True)
        reaper.collect()
        reaper.audit()
        assert own.wait(PATIENCE) == 1

    def test_what_nobody_waits_for_in_our_session_is_collected_in_the_end(
        self, deaf: DeafLoop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pid = os.posix_spawn("/bin/true", ["true"], {})
        eventually(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        reaper = Reaper(deaf, adopt_orphans=True)
        reaper.collect()
        monkeypatch.setattr(reaper_module, "_ORPHAN_GRACE", 0.0)
        reaper.collect()
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_close_gives_everything_back(deaf: DeafLoop, ends: Ends) -> None:
    before = settled_descriptors()
    reaper = Reaper(deaf)
    pid = spawn("sleep", "60")
    reaper.watch(pid, ends)
    reaper.close()
    assert deaf.readers == {}
    assert open_descriptors() == before
    record = child_of(pid)
    record.send(signal.SIGKILL)
    assert record.wait(PATIENCE) == -signal.SIGKILL
    assert ends.told == []


def test_a_closed_loop_does_not_break_process_wait(loop: asyncio.AbstractEventLoop, ends: Ends) -> None:
    reaper = Reaper(loop)
    pid = spawn("true")
    reaper.watch(pid, ends)
    loop.remove_reader(child_of(pid).pidfd)
    loop.close()
    assert child_of(pid).wait(PATIENCE) == 0
    record = reaper._watched.pop(pid)
    record.close_pidfd()
