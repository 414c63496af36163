"""The ``dstats`` command: what the daemon itself uses."""

from __future__ import annotations

import time

from circus.commands.base import Command
from circus.commands.checks import expect_arguments
from circus.commands.stats import info_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Daemontats(Command):
    """Get circusd stats

    Memory, CPU time and so on of the daemon's own process.

    Message
    -------

    ::

        {"command": "dstats"}

    Reply
    -----

    ``info`` is as in the reply to ``stats``, with ``children`` always empty. ``cpu`` is in percent of one CPU
    since the last request of this kind, or since the daemon was started. ``loop_stall_max`` is the longest time,
    in seconds, for which the daemon was too busy to look at what had happened meanwhile::

        {"status": "ok", "time": 1795288292.0,
         "info": {"cpu": 0.1, "mem": 0.136, "pid": 12, "loop_stall_max": 0.004}}

    Command line
    ------------

    ::

        $ circusctl dstats
        Main Process:
            12  circusd root 0 32.75M 119.80M 0.1 0.136 0:00.20
    """

    name = "dstats"

    def __init__(self) -> None:
        self._sample: tuple[float, float] | None = None

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 0, "Invalid message")
        return self.make_message()

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        from circus.system.procinfo import get_info  # kept off the start path

        info = get_info()
        info["cpu"] = self._percent(info.get("age"))
        info["children"] = []
        stalls = getattr(arbiter, "stalls", None)
        if stalls is not None:
            info["loop_stall_max"] = round(stalls.longest, 6)
        return {"info": info}

    def _percent(self, age: Any) -> float:
        """CPU use since the last question, without the pause that measuring an interval would take."""
        now, used = time.monotonic(), time.process_time()
        since, before = self._sample or (now - age if isinstance(age, (int, float)) else now, 0.0)
        self._sample = now, used
        span = now - since
        return round(100.0 * (used - before) / span, 1) if span > 0.0 else 0.0

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if msg.get("status") != "ok":
            return self.console_error(msg)
        info = msg["info"]
        lines = ["Main Process:", f"    {info_line(info)}"]
        if info.get("children"):
            lines += ["Children:", *(f"    {info_line(child)}" for child in info["children"])]
        return "\n".join(lines)
