"""Waiting for a condition with a deadline; the only way in which tests wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which something that takes milliseconds on an idle machine counts as never happening.
PATIENCE = float(os.environ.get("CIRCUS_TEST_PATIENCE", "15"))


def eventually(check: Callable[[], T], deadline: float = PATIENCE, *, interval: float = 0.01) -> T:
    """Call ``check`` until it returns something true, and return that.

    :param check: may raise AssertionError to say "not yet, because ..."; other errors pass through.
    :param deadline: seconds from now.
    :param interval: seconds between two calls.
    :raises AssertionError: the deadline passed; carries the last reason.
    """
    end = time.monotonic() + deadline
    while True:
        reason: AssertionError | None = None
        found = None
        try:
            found = check()
        except AssertionError as error:
            reason = error
        if found:
            return found
        if time.monotonic() >= end:
            raise AssertionError(f"not within {deadline} s: {reason or f'last answer {found!r}'}") from reason
        time.sleep(interval)
