"""Plugins without a daemon: made with given options, their calls answered by the test."""

from __future__ import annotations

import asyncio
from collections import Counter
from unittest import mock

import pytest

FACTS = ("ipc:///nowhere/ctl", "ipc:///nowhere/pub", 1.0, None)


class FakeStatsd:
    """Remembers metrics, as the test helpers of Circus 0.19 do."""

    def __init__(self):
        self.increments = Counter()
        self.gauges = []

    def increment(self, name):
        self.increments[name] += 1

    def gauge(self, name, value):
        self.gauges.append((name, value))

    def stop(self):
        pass


@pytest.fixture
def make():
    """Makes plugins whose ``call`` and ``cast`` are mocks; ends them afterwards."""
    made = []

    def build(cls, **config):
        plugin = cls(*FACTS, **config)
        plugin.call, plugin.cast = mock.Mock(name="call"), mock.Mock(name="cast")
        if hasattr(plugin, "statsd"):
            plugin.statsd.stop()
            plugin.statsd = FakeStatsd()
        made.append(plugin)
        return plugin

    yield build
    for plugin in made:
        plugin.stop()
        plugin.stop()  # contract: may be called again
    asyncio.set_event_loop(None)
