"""Waiting for what a worker has left behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator

import pytest

from circus.system.proctable import ProcRef, ref_of
from circus.system.tree import TreeWatch
from harness.descriptors import open_descriptors, settled_descriptors


@pytest.fixture
def sleepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    made = [subprocess.Popen(["sleep", "98765"]) for _ in range(2)]
    yield made
    for process in made:
        process.kill()
        process.wait()


def refs(processes: list[subprocess.Popen[bytes]]) -> list[ProcRef]:
    found = [ref_of(process.pid) for process in processes]
    assert None not in found
    return [ref for ref in found if ref is not None]


@pytest.mark.parametrize("pidfd", [True, False], ids=["pidfd", "looking"])
def test_it_calls_once_when_the_last_is_gone(
    pidfd: bool, sleepers: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        calls: list[float] = []
        loop = asyncio.get_running_loop()
        if not pidfd:
            monkeypatch.delattr(os, "pidfd_open", raising=False)
        watch = TreeWatch(loop, refs(sleepers), lambda: calls.append(loop.time()))
        for process in sleepers:
            await asyncio.sleep(0.02)
            assert calls == []
            process.kill()
            process.wait()
        async with asyncio.timeout(5):
            while not calls:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert len(calls) == 1
        assert not watch.refs

    asyncio.run(scenario())


def test_with_nothing_to_wait_for_it_calls_soon() -> None:
    async def scenario() -> None:
        calls: list[int] = []
        TreeWatch(asyncio.get_running_loop(), [ProcRef(os.getpid(), 1.0)], lambda: calls.append(1))
        assert calls == [], "never before it returns"
        await asyncio.sleep(0.01)
        assert calls == [1]

    asyncio.run(scenario())


def test_closed_it_calls_no_more_and_holds_no_descriptor(sleepers: list[subprocess.Popen[bytes]]) -> None:
    async def scenario() -> None:
        calls: list[int] = []
        before = settled_descriptors()
        watch = TreeWatch(asyncio.get_running_loop(), refs(sleepers), lambda: calls.append(1))
        watch.close()
        assert open_descriptors() == before
        for process in sleepers:
            process.kill()
            process.wait()
        await asyncio.sleep(0.05)
        assert calls == []

    asyncio.run(scenario())
