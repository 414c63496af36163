"""Fixtures of the tests that embed Circus."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A loop with arbiters on it; its directory is short enough for unix sockets."""
    with tempfile.TemporaryDirectory(prefix="circus-") as directory:
        yield Stage(Path(directory))
