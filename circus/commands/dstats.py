"""The ``dstats`` command: what the daemon itself uses."""

from __future__ import annotations

import sys
import time

from circus import __version__, compat_version
from circus.commands.base import Command
from circus.commands.checks import expect_arguments
from circus.commands.stats import info_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


#: As ``platform.python_version()`` says it, without loading that module.
_PYTHON = sys.version.partition(" ")[0].rstrip("+")


class Daemontats(Command):
    """Get circusd stats

    Memory, CPU time and so on of the daemon's own process.

    Message
    -------

    ::

        {"command": "dstats"}
        {"command": "dstats", "properties": {"watchers": true}}

    Reply
    -----

    ``info`` is as in the reply to ``stats``, with ``children`` always empty. ``cpu`` is in percent of one CPU
    since the last request of this kind, or since the daemon was started. ``loop_stall_max`` is the longest time,
    in seconds, for which the daemon was too busy to look at what had happened meanwhile. ``version`` is that
    of the daemon, ``compat_version`` the release of Circus whose contract it keeps, ``python`` the interpreter
    it runs on::

        {"status": "ok", "time": 1795288292.0,
         "info": {"cpu": 0.1, "mem": 0.136, "pid": 12, "loop_stall_max": 0.004},
         "version": "1.0.0", "compat_version": "0.19.0", "python": "3.12.4"}

    With ``watchers`` the reply also has what the daemon knows of its watchers and their live processes. Nothing
    is measured for that, so it is cheap; ``circusd-stats`` asks for it every few seconds. ``state`` is
    ``starting``, ``running`` or ``stopping``; ``restarts`` counts how often a worker id, or all of the
    watcher's together, were given a new process; ``dropped`` are bytes of captured output that were lost::

        {"watchers": {"web": {
            "res_name": "web", "status": "active", "numprocesses": 1, "restarts": 2, "dropped": 0,
            "workers": {"1234": {"wid": 1, "state": "running", "started": 1795288290.0, "restarts": 2}}}}}

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
        if not props.get("watchers"):  # asked for every few seconds; a human's span must not begin anew with that
            info["cpu"] = self._percent(info.get("age"))
        info["children"] = []
        stalls = getattr(arbiter, "stalls", None)
        if stalls is not None:
            info["loop_stall_max"] = round(stalls.longest, 6)
        told = {"info": info, "version": __version__, "compat_version": compat_version, "python": _PYTHON}
        if not props.get("watchers"):
            return told
        journal = getattr(arbiter, "journal", None)
        return {
            **told,
            "daemon": getattr(journal, "run_id", None),
            "watchers": {watcher.name: _roster(watcher) for watcher in arbiter.watchers},
        }

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


#: What the phase of a worker means to those who watch it; in other phases it does not run.
_STATES = {"confirming": "starting", "running": "running", "stopping": "stopping", "killing": "stopping"}


def _roster(watcher: Any) -> dict[str, Any]:
    """What the daemon knows of one watcher, from memory."""
    starts = getattr(watcher, "starts", {})
    return {
        "res_name": watcher.res_name,
        "status": watcher.status(),
        "numprocesses": watcher.numprocesses,
        "restarts": sum(starts.values()) - len(starts),
        "dropped": _dropped(watcher),
        "workers": _workers(watcher, starts),
    }


def _workers(watcher: Any, starts: Mapping[int, int]) -> dict[int, dict[str, Any]]:
    supervision = getattr(watcher, "_supervision", None)
    if supervision is None:  # never started, or a program manages its processes by hand
        return {
            process.pid: {"wid": process.wid, "state": "running", "started": process.started, "restarts": 0}
            for process in watcher.get_active_processes()
        }
    slots = supervision.machine.slots
    found = {}
    for worker in supervision.workers.values():
        slot = slots.get(worker.sid)
        state = _STATES.get(slot.phase.value) if slot is not None else None
        if state is not None and not worker.exited:
            process = worker.process
            found[process.pid] = {
                "wid": process.wid,
                "state": state,
                "started": round(process.started, 3),
                "restarts": max(0, starts.get(process.wid, 1) - 1),
            }
    return found


def _dropped(watcher: Any) -> int:
    """Bytes of output that were lost, of both streams."""
    counters = getattr(watcher.stream_redirector, "counters", None)
    return sum(int(stream["dropped"]) for stream in counters().values()) if callable(counters) else 0
