"""Every event that an end-to-end test hears must be as the table of events says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.recording import EventChecker


@pytest.fixture(autouse=True)
def every_event_conforms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    checker = EventChecker()
    monkeypatch.setattr("harness.wire.Event", checker.check)
    yield
    assert checker.problems == []
