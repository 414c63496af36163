"""A stage for embedding tests: an event loop, and arbiters on it that are stopped when the scenario is over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from harness.waiting import PATIENCE

#: A worker that does nothing; a test that leaves one behind is found out.
SLEEP = "sleep 98765"


class Stage:
    """Runs scenarios on a fresh asyncio loop each.

    :param directory: where endpoints are; short, because a unix socket's path is.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.endpoint = f"ipc://{directory}/control"
        self.pubsub_endpoint = f"ipc://{directory}/events"
        self._arbiters: list[Any] = []

    def arbiter(self, *watchers: dict[str, Any], **options: Any) -> Any:
        """``get_arbiter`` on the running loop, without periodic check unless ``check_delay`` is given."""
        from circus import get_arbiter  # the harness is imported where other installations are tested, too

        options = {
            "controller": self.endpoint,
            "pubsub_endpoint": self.pubsub_endpoint,
            "loop": asyncio.get_running_loop(),
            "check_delay": -1,
            **options,
        }
        return self.own(get_arbiter(list(watchers), **options))

    def own(self, arbiter: Any) -> Any:
        """Have ``arbiter`` stopped at the end, whatever happens."""
        self._arbiters.append(arbiter)
        return arbiter

    def run(self, scenario: Coroutine[Any, Any, Any]) -> Any:
        """Run a scenario and then stop the arbiters it made.

        :raises TimeoutError: it did not end in time.
        """

        async def play() -> Any:
            try:
                return await asyncio.wait_for(scenario, 2 * PATIENCE)
            finally:
                for arbiter in self._arbiters:
                    await arbiter.stop()
                self._arbiters.clear()

        return asyncio.run(play())
