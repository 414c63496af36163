"""The wires to one daemon. What comes over them is tested with the screen; here is how they end."""

from __future__ import annotations

import asyncio

import pytest
import zmq

from circus.top.feed import Feed
from circus.top.targets import Target


@pytest.mark.parametrize("turns", range(6))
def test_the_end_is_not_lost_however_close_it_is_to_an_event(turns):
    """``asyncio.wait_for`` forgets, before Python 3.12, a cancellation that meets the end of what it waits for."""

    async def story():
        with zmq.Context() as context:
            feed = Feed(context, Target("here", None), lambda *_: None)
            task = asyncio.create_task(feed.run())
            await asyncio.sleep(0.01)
            feed._statuses_wanted.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            ended, _ = await asyncio.wait([task], timeout=5)
            assert ended

    asyncio.run(story())
