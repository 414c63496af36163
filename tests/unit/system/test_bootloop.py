"""The event loop before there is an event loop."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from circus.system.bootloop import BootLoop


def run(boot: BootLoop, seconds: float = 0.05) -> None:
    """Hand over to asyncio and let it run for a while."""

    async def live() -> None:
        boot.adopt(asyncio.get_running_loop())
        await asyncio.sleep(seconds)

    asyncio.run(live())


def test_what_is_ready_runs_in_its_order_and_so_does_what_it_asks_for() -> None:
    boot, seen = BootLoop(), []
    boot.call_soon(lambda: (seen.append(1), boot.call_soon(seen.append, 3)))
    boot.call_soon(seen.append, 2)
    boot.run_ready(1.0)
    assert seen == [1, 2, 3]


def test_the_budget_ends_the_run_and_the_rest_is_handed_over() -> None:
    boot, seen = BootLoop(), []
    for number in range(3):
        boot.call_soon(seen.append, number)
    boot.run_ready(0.0)
    assert seen == []
    run(boot)
    assert seen == [0, 1, 2]


def test_timers_and_readers_wait_for_the_hand_over() -> None:
    boot, seen = BootLoop(), []
    reading, writing = os.pipe()
    try:
        os.write(writing, b"x")
        boot.add_reader(reading, lambda: seen.append(os.read(reading, 1)))
        boot.call_later(0.01, seen.append, "timer")
        boot.run_ready(1.0)
        assert seen == []
        run(boot)
        assert seen == [b"x", "timer"]
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after the hand-over"])
def test_what_was_cancelled_is_not_called(after: bool) -> None:
    boot, seen = BootLoop(), []
    handles = [boot.call_soon(seen.append, 1), boot.call_later(0.01, seen.append, 2)]

    def cancel() -> None:
        for handle in handles:
            handle.cancel()

    if not after:
        cancel()
        boot.run_ready(1.0)
        run(boot)
    else:

        async def live() -> None:
            boot.adopt(asyncio.get_running_loop())
            cancel()
            await asyncio.sleep(0.03)

        asyncio.run(live())
    assert seen == []


def test_a_reader_that_was_removed_is_not_handed_over() -> None:
    boot = BootLoop()
    boot.add_reader(0, print)
    assert boot.remove_reader(0)
    assert not boot.remove_reader(0)
    run(boot, 0)


def test_after_the_hand_over_it_is_a_window_on_the_loop() -> None:
    boot = BootLoop()

    async def live() -> None:
        loop = asyncio.get_running_loop()
        boot.adopt(loop)
        assert boot.asyncio_loop is loop
        done: asyncio.Future[Any] = loop.create_future()
        threading.Thread(target=lambda: boot.call_soon_threadsafe(done.set_result, 5)).start()
        assert await done == 5
        assert abs(boot.time() - loop.time()) < 1

    asyncio.run(live())
