"""The ``kill`` command: end processes of a watcher, with escalation to SIGKILL."""

from __future__ import annotations

from circus.commands.base import Command, bare, caused
from circus.commands.checks import expect_arguments, float_argument, seconds, signal_number, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Kill(Command):
    """Kill a specific process

    Sends a signal to one process of a watcher, or to all of them, waits for their end up to a time limit, and
    then sends SIGKILL to what is left. The watcher stays active: it replaces the processes.

    Message
    -------

    Only ``name`` is required. Without ``pid`` all processes of the watcher are meant; ``signum`` (a number or
    a name) and ``graceful_timeout`` (seconds) default to the watcher's ``stop_signal`` and
    ``graceful_timeout``. With ``waiting`` the reply comes when the processes have ended::

        {"command": "kill",
         "properties": {"name": "web", "pid": 1234, "signum": "QUIT", "graceful_timeout": 5, "waiting": true}}

    Reply
    -----

    A pid the watcher does not have is no error::

        {"status": "ok", "time": 1795288292.0}

    Command line
    ------------

    ::

        $ circusctl kill NAME [PID] [--signum SIGNUM] [--graceful_timeout SECONDS] [--waiting]
    """

    name = "kill"
    properties = ["name"]
    options = [
        *Command.waiting_options,
        ("", "signum", None, "signal to send instead of the watcher's stop_signal"),
        ("", "graceful_timeout", None, "seconds until SIGKILL, instead of the watcher's graceful_timeout"),
    ]
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 1, 2, "Invalid number of arguments")
        props: dict[str, Any] = {"name": args[0]}
        if len(args) > 1:
            props["pid"] = args[1]
        if opts.get("signum") is not None:
            props["signum"] = opts["signum"]
        if opts.get("graceful_timeout") is not None:
            props["graceful_timeout"] = float_argument(opts["graceful_timeout"], "graceful_timeout")
        if opts.get("waiting"):
            props["waiting"] = True
        return self.make_message(**props)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        watcher = self._get_watcher(arbiter, props["name"])
        pid = whole_number(props, "pid") if props.get("pid") is not None else None
        signum = signal_number(props["signum"]) if props.get("signum") is not None else None
        timeout = seconds(props, "graceful_timeout")
        if hasattr(watcher, "kill_workers"):
            kill_workers = caused(watcher.kill_workers, self.cause(props))
            return bare(kill_workers(None if pid is None else [pid], signum, timeout))
        return bare(_kill_processes(watcher, pid, signum, timeout))


def _kill_processes(watcher: Any, pid: int | None, signum: int | None, timeout: float | None) -> Any:
    """The same by the methods of Circus 0.19, for watchers that have no others."""
    if pid is None:
        return watcher.kill_processes(stop_signal=signum, graceful_timeout=timeout)
    process = watcher.processes.get(pid)
    if process is None:
        return None
    return watcher.kill_process(process, stop_signal=signum, graceful_timeout=timeout)
