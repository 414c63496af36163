"""The ``reload`` command: new processes in place of the old ones, without a gap."""

from __future__ import annotations

from circus.commands.base import Command, bare, caused, derive
from circus.commands.checks import expect_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Reload(Command):
    """Reload the arbiter or a watcher

    Replaces the processes of one watcher, or of all of them in the order of their priority:

    * a watcher with ``send_hup`` gets SIGHUP and keeps its processes;
    * ``sequential``: one process after the other is stopped and replaced, ``warmup_delay`` seconds apart;
    * otherwise new processes are started first, then the old ones are stopped;
    * ``graceful`` false: the watcher is stopped and started.

    Without a name the daemon's own log files are opened again as well. The configuration file is *not* read
    again: see ``reloadconfig``.

    Message
    -------

    With ``waiting`` the reply comes when the new processes are in place::

        {"command": "reload", "properties": {"name": "web", "graceful": true, "sequential": false}}

    Reply
    -----

    When waiting for one watcher, ``info`` lists pids::

        {"status": "ok", "time": 1795288292.0, "info": {"stopped": [12], "started": [34], "kept": []}}

    Command line
    ------------

    ::

        $ circusctl reload [NAME] [--terminate] [--waiting] [--sequential]
    """

    name = "reload"
    options = [
        *Command.waiting_options,
        ("", "sequential", False, "replace one process after the other"),
        ("", "terminate", False, "stop and start instead of a graceful reload"),
    ]
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 1, "invalid number of arguments")
        props: dict[str, Any] = {"name": args[0]} if args else {}
        return self.make_message(
            **props,
            graceful=not opts.get("terminate", False),
            waiting=opts.get("waiting", False),
            sequential=opts.get("sequential", False),
        )

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        modes = {"graceful": bool(props.get("graceful", True)), "sequential": bool(props.get("sequential"))}
        if "name" not in props:
            return bare(caused(arbiter.reload, self.cause(props))(**modes))
        watcher = self._get_watcher(arbiter, props["name"])
        return derive(caused(watcher.reload, self.cause(props))(**modes), lambda info: {"info": info})
