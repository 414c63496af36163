"""What is said beside the output that is followed: on standard error, a line each, and losses not too often.

Called by the commands that follow.
"""

from __future__ import annotations

import time

from circus.ctl.outputtext import RESET, YELLOW
from circus.ctl.render import wants_colour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

#: Seconds between two notices of lost lines.
_NOTICE_EVERY = 1.0


class Notices:
    """What is said beside the output, on standard error.

    :param err: where to.
    """

    def __init__(self, err: TextIO) -> None:
        self._err = err
        self._colour = wants_colour(err)
        self._lost: dict[str, list[int]] = {}
        self._told_at = 0.0

    def tell(self, text: str) -> None:
        """Say something, on a line of its own."""
        self._err.write(f"{YELLOW}circusctl: {text}{RESET}\n" if self._colour else f"circusctl: {text}\n")
        self._err.flush()

    def lose(self, label: str, by_us: int, by_daemon: int) -> None:
        """Count lines that will not be seen: told once in a while, not each time."""
        if by_us or by_daemon:
            counts = self._lost.setdefault(label, [0, 0])
            counts[0] += by_us
            counts[1] += by_daemon

    @property
    def pending(self) -> bool:
        """Are there losses that were not told?"""
        return bool(self._lost)

    def flush(self, idle: bool = True) -> None:
        """Tell the losses if it is time for that."""
        now = time.monotonic()
        if not self._lost or now < self._told_at + _NOTICE_EVERY * (0.25 if idle else 1):
            return
        self._told_at = now
        lost, self._lost = self._lost, {}
        for label, (by_us, by_daemon) in lost.items():
            if by_us:
                self.tell(f"{label}: {by_us} lines lost: this reader is too slow")
            if by_daemon:
                self.tell(f"{label}: {by_daemon} lines left out: it writes more than circusd publishes")
