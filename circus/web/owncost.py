"""What the console itself uses, for the page about daemons."""

from __future__ import annotations

import os
import time
from typing import Any

_EVERY = 5.0


class OwnCost:
    """CPU since the last look, memory, and age of this process."""

    def __init__(self) -> None:
        self._began = time.time()
        self._looked, self._used = 0.0, 0.0
        self._told: dict[str, Any] = {}

    def look(self, now: float) -> dict[str, Any]:
        """The numbers; they are made anew every few seconds, so that looking costs nothing itself."""
        if now - self._looked >= _EVERY:
            used = time.process_time()
            span = now - (self._looked or self._began)
            cpu = round(100 * (used - self._used) / span, 1) if span > 0 else 0.0
            self._looked, self._used = now, used
            self._told = {"cpu": cpu, "rss": _resident(), "uptime": int((now - self._began) // 5 * 5)}
        return self._told


def _resident() -> int | None:
    """Resident memory in bytes; None where the system does not tell it that way."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
