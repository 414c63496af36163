"""Tickets and their meeting with asyncio."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest
from tornado.ioloop import IOLoop

from circus.base import tasks
from circus.base.tasks import Ticket, as_future, create_task, current_loop, unwrap_loop


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def fresh_thread_loop():
    """No loop is set for this thread, before and after."""
    asyncio.set_event_loop(None)
    yield
    asyncio.set_event_loop(None)


def test_a_ticket_is_settled_once():
    ticket = Ticket("stop", ("web",))
    assert (ticket.kind, ticket.params, ticket.done, ticket.result, ticket.error) == (
        "stop",
        ("web",),
        False,
        None,
        None,
    )
    assert ticket.settle(5)
    assert not ticket.settle(6)
    assert not ticket.fail(ValueError())
    assert (ticket.done, ticket.result, ticket.error) == (True, 5, None)


def test_a_ticket_fails_once():
    error = ValueError("no")
    ticket = Ticket("start")
    assert ticket.fail(error)
    assert not ticket.fail(KeyError())
    assert not ticket.settle(1)
    assert (ticket.done, ticket.result, ticket.error) == (True, None, error)


def test_listeners_are_told_in_order_and_latecomers_at_once():
    told = []
    ticket = Ticket("start")
    ticket.on_done(lambda t: told.append(("first", t.result)))
    ticket.on_done(lambda t: t.on_done(lambda u: told.append(("nested", u.result))))
    ticket.on_done(lambda t: told.append(("second", t.result)))
    assert told == []
    ticket.settle(1)
    assert told == [("first", 1), ("nested", 1), ("second", 1)]
    ticket.on_done(lambda t: told.append(("late", t.result)))
    assert told[-1] == ("late", 1)


def test_a_listener_that_fails_is_logged_and_does_not_keep_others_from_being_told(caplog):
    told = []
    ticket = Ticket("start", ("web",))
    ticket.on_done(lambda t: 1 / 0)
    ticket.on_done(told.append)
    assert ticket.settle()
    assert told == [ticket]
    assert "error in a listener of <Ticket start('web',) settled: None>" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_ticket_tells_its_state():
    ticket, failed = Ticket("stop"), Ticket("stop")
    assert repr(ticket) == "<Ticket stop pending>"
    failed.fail(ValueError("x"))
    assert repr(failed) == "<Ticket stop failed: ValueError('x')>"


def test_a_future_follows_its_ticket(loop):
    good, bad = Ticket("start"), Ticket("start")
    futures = [as_future(good, loop), as_future(good, loop), as_future(bad, loop)]
    assert not any(future.done() for future in futures)
    good.settle(3)
    bad.fail(KeyError("k"))
    assert [loop.run_until_complete(future) for future in futures[:2]] == [3, 3]
    with pytest.raises(KeyError):
        loop.run_until_complete(futures[2])


def test_a_future_of_a_finished_ticket_is_done(loop):
    ticket = Ticket("start")
    ticket.settle("ok")
    assert as_future(ticket, loop).result() == "ok"


def test_cancelling_the_future_leaves_the_ticket_alone(loop, caplog):
    ticket = Ticket("start")
    future = as_future(ticket, loop)
    future.cancel()
    assert not ticket.done
    ticket.settle(1)
    assert (ticket.result, future.cancelled(), caplog.text) == (1, True, "")


def _drop_failed_future(loop, **flags):
    ticket = Ticket("start")
    as_future(ticket, loop, **flags)
    ticket.fail(ValueError("boom"))
    del ticket
    gc.collect()


def test_a_failure_nobody_waits_for_is_one_line_in_the_log(loop, caplog):
    _drop_failed_future(loop)
    assert [(r.name, r.levelname, r.getMessage()) for r in caplog.records] == [
        ("circus", "ERROR", "exception boom caught")
    ]


def test_a_failure_nobody_waits_for_can_be_silent(loop, caplog):
    _drop_failed_future(loop, log_unobserved=False)
    assert caplog.records == []


def test_a_failure_somebody_saw_is_not_logged(loop, caplog):
    ticket = Ticket("start")
    future = as_future(ticket, loop)
    ticket.fail(ValueError("boom"))
    with pytest.raises(ValueError, match="boom"):
        loop.run_until_complete(future)
    del future, ticket
    gc.collect()
    assert caplog.records == []


def test_loops_are_unwrapped(fresh_thread_loop):
    io_loop = IOLoop(make_current=False)
    try:
        assert unwrap_loop(io_loop) is io_loop.asyncio_loop
        assert unwrap_loop(io_loop.asyncio_loop) is io_loop.asyncio_loop
    finally:
        io_loop.close()


def test_without_a_loop_one_is_made_and_kept(fresh_thread_loop):
    made = unwrap_loop(None)
    try:
        assert current_loop() is made
        assert IOLoop.current().asyncio_loop is made
    finally:
        IOLoop.current().close()


def test_the_running_loop_comes_first():
    async def main():
        return current_loop() is asyncio.get_running_loop()

    assert asyncio.run(main())


def test_a_task_is_kept_until_it_ends_and_its_failure_logged(caplog):
    async def fail():
        await asyncio.sleep(0)
        raise ValueError("boom")

    async def main():
        task = create_task(fail(), "the failing one")
        assert task in tasks._tasks
        await asyncio.wait([task])
        cancelled = create_task(asyncio.sleep(60))
        cancelled.cancel()
        await asyncio.wait([cancelled])
        await asyncio.sleep(0)
        return await create_task(asyncio.sleep(0, "done"), "the good one")

    with caplog.at_level(logging.ERROR, "circus"):
        assert asyncio.run(main()) == "done"
    assert [record.getMessage() for record in caplog.records] == ["exception boom caught in the failing one"]
    assert not tasks._tasks
