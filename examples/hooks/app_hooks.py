"""Hooks of examples/hooks.ini. Each is called with keywords: ``watcher``, ``arbiter``, ``hook_name`` and more.

A hook that guards something allows it by returning a true value. Hooks run in a thread of their own, so one that
takes its time holds up its watcher and nothing else.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from circus import logger

#: Bytes that have to be free.
ENOUGH = 10 * 1024 * 1024
DIRECTORY = Path(tempfile.gettempdir()) / f"circus-hooks-example-{os.getpid()}"


def enough_disk(watcher: Any, **_: Any) -> bool:
    """before_start: whether there is room to work."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < ENOUGH:
        logger.error("%s is not started: only %d bytes are free", watcher.name, free)
    return free >= ENOUGH


def make_directory(watcher: Any, **_: Any) -> bool:
    """before_spawn: a place for the files of the process to come."""
    DIRECTORY.mkdir(exist_ok=True)
    return True


def greet(watcher: Any, pid: int, **_: Any) -> bool:
    """after_spawn: tells the log."""
    logger.info("%s has a new process: %d", watcher.name, pid)
    return True


def remove_directory(watcher: Any, **_: Any) -> None:
    """after_stop: its answer is ignored."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def count_descriptors(pid: int, stats: dict[str, Any], **_: Any) -> None:
    """extended_stats: how many files a process has open, where the system tells."""
    try:
        stats["descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        stats["descriptors"] = "N/A"
