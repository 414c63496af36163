"""How many descriptors this process has open, for tests that count them before and after."""

from __future__ import annotations

import gc
import os


def open_descriptors() -> int:
    """How many are open. Reading them opens one more, each time."""
    return len(os.listdir("/dev/fd"))


def settled_descriptors() -> int:
    """The same, to compare with later: what earlier tests left to the garbage collector is closed first."""
    gc.collect()
    return open_descriptors()
