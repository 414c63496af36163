"""Names kept for programs written for Circus 0.19 (spec library.md 11)."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys

import pytest

from circus.base import legacy
from circus.base.legacy import (
    DictDiffer,
    ObjectDict,
    check_future_exception_and_log,
    debuglog,
    dict_differ,
    synchronized,
    tornado_sleep,
)
from circus.base.tasks import Ticket
from circus.exc import ConflictError


def test_object_dict():
    table = ObjectDict(a=1)
    assert table.a == table["a"] == 1
    with pytest.raises(KeyError):
        table.b  # noqa: B018 - the access is the test


def test_dict_differ():
    differ = DictDiffer({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5})
    assert (differ.added(), differ.removed(), differ.changed(), differ.unchanged()) == (
        {"a"},
        {"d"},
        {"c"},
        {"b"},
    )
    assert dict_differ({"a": 1}, {"a": 2})
    assert not dict_differ({"a": 1}, {"b": 2})
    assert not dict_differ({}, {})


def test_check_future(caplog):
    loop = asyncio.new_event_loop()
    failed, pending, good, cancelled = (loop.create_future() for _ in range(4))
    error = ValueError("boom")
    failed.set_exception(error)
    good.set_result(1)
    cancelled.cancel()
    loop.close()
    assert check_future_exception_and_log(failed) is error
    assert "exception boom caught" in caplog.text
    caplog.clear()
    for other in (pending, good, cancelled, None, "text"):
        assert check_future_exception_and_log(other) is None
    assert caplog.text == ""


def test_sleep_can_be_awaited_and_cancelled():
    async def main():
        before = asyncio.get_running_loop().time()
        await tornado_sleep(0.01)
        slept = asyncio.get_running_loop().time() - before
        cancelled = tornado_sleep(0)
        cancelled.cancel()
        await asyncio.sleep(0.005)
        return slept

    assert asyncio.run(main()) >= 0.009


class _Arbiter:
    _exclusive_running_command = None
    _restarting = False

    @synchronized("arbiter_op")
    def plain(self):
        return self._exclusive_running_command

    @synchronized("arbiter_op")
    def broken(self):
        raise ValueError("x")

    @synchronized("arbiter_wait")
    def waiting(self, thing):
        return thing

    @synchronized("arbiter_coroutine")
    async def coroutine(self, until):
        await until
        return "done"


class _Watcher:
    def __init__(self, arbiter):
        self.arbiter = arbiter

    @synchronized("watcher_op")
    def plain(self):
        return self.arbiter and self.arbiter._exclusive_running_command


def test_synchronized_names_what_runs_and_frees_afterwards():
    arbiter = _Arbiter()
    assert arbiter.plain() == "arbiter_op"
    assert arbiter._exclusive_running_command is None
    assert _Watcher(arbiter).plain() == "watcher_op"
    assert _Watcher(None).plain() is None
    with pytest.raises(ValueError, match="x"):
        arbiter.broken()
    assert arbiter._exclusive_running_command is None


def test_synchronized_refuses_a_second_one_at_once():
    arbiter, ticket = _Arbiter(), Ticket("stop")
    assert arbiter.waiting(ticket) is ticket
    with pytest.raises(ConflictError, match=r"^arbiter is already running arbiter_wait command$"):
        _Watcher(arbiter).plain()
    ticket.settle()
    assert _Watcher(arbiter).plain() == "watcher_op"
    arbiter._restarting = True
    with pytest.raises(ConflictError, match=r"^arbiter is restarting\.\.\.$"):
        arbiter.plain()


def test_synchronized_lasts_as_long_as_the_future_or_coroutine():
    async def main():
        arbiter, until = _Arbiter(), asyncio.get_running_loop().create_future()
        arbiter.waiting(until)
        assert arbiter._exclusive_running_command == "arbiter_wait"
        until.set_result(None)
        await asyncio.sleep(0)
        assert arbiter._exclusive_running_command is None
        until = asyncio.get_running_loop().create_future()
        task = arbiter.coroutine(until)
        assert arbiter._exclusive_running_command == "arbiter_coroutine"
        until.set_result(None)
        assert await task == "done"
        await asyncio.sleep(0)
        assert arbiter._exclusive_running_command is None

    asyncio.run(main())


def test_debuglog_is_nothing_unless_asked_for(monkeypatch, caplog):
    def method(self):
        return self

    monkeypatch.delenv("DEBUG", raising=False)
    assert debuglog(method) is method

    monkeypatch.setenv("DEBUG", "1")

    class Thing:
        @debuglog
        def outer(self):
            return self.inner()

        @debuglog
        def inner(self):
            return 5

    with caplog.at_level(logging.DEBUG, "circus"):
        assert Thing().outer() == 5
    assert caplog.messages == [
        "'Thing.outer' starts",
        "    'Thing.inner' starts",
        "    'Thing.inner' ends",
        "'Thing.outer' ends",
    ]


def test_transformable_future():
    async def main():
        future = legacy.TransformableFuture()
        future.set_upstream_future(None)
        with pytest.raises(Exception, match="upstream_future is not set"):
            future.result()
        assert future.exception() is None
        upstream = asyncio.get_running_loop().create_future()
        future.set_upstream_future(upstream)
        future.set_transform_function(lambda value: ("changed", value))
        told = []
        future.add_done_callback(told.append)
        assert future.exception() is None
        assert not future.done()
        upstream.set_result(3)
        assert future.result() == ("changed", 3)
        assert await future == ("changed", 3)
        await asyncio.sleep(0)
        assert told == [future]

    asyncio.run(main())


def test_transformable_future_that_fails():
    async def main():
        loop = asyncio.get_running_loop()
        upstream, broken, gone = loop.create_future(), loop.create_future(), loop.create_future()
        one, two, three = (legacy.TransformableFuture() for _ in range(3))
        one.set_upstream_future(upstream)
        two.set_upstream_future(broken)
        three.set_upstream_future(gone)
        two.set_transform_function(lambda value: 1 / value)
        upstream.set_exception(KeyError("k"))
        broken.set_result(0)
        gone.cancel()
        assert isinstance(one.exception(), KeyError)
        with pytest.raises(ZeroDivisionError):
            await two
        with pytest.raises(asyncio.CancelledError):
            await three

    asyncio.run(main())


def test_periodic_callback_awaits_coroutines():
    async def main():
        ticks, enough = [], asyncio.Event()

        async def tick():
            await asyncio.sleep(0)
            ticks.append(1)
            if len(ticks) == 3:
                enough.set()

        caller = legacy.AsyncPeriodicCallback(tick, 1)
        caller.start()
        await asyncio.wait_for(enough.wait(), 10)
        caller.stop()
        assert not caller.is_running()

    asyncio.run(main())


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        legacy.nope  # noqa: B018 - the access is the test


def test_importing_costs_neither_asyncio_nor_tornado():
    code = "import circus.base.legacy, sys; print([m for m in ('asyncio', 'tornado') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
