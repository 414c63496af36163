"""The ``start`` command: bring watchers up."""

from __future__ import annotations

from circus.commands.base import Command, caused
from circus.commands.checks import expect_arguments
from circus.commands.restart import execute_watcher_start_stop_restart, match_options, start_matched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Start(Command):
    """Start the arbiter or a watcher

    Starts one watcher, those that match a pattern, or all that have ``autostart``. A watcher that is named,
    by itself or by a pattern, is started whether it has ``autostart`` or not. On an active watcher missing
    processes are started.

    Message
    -------

    ``match`` tells how ``name`` is compared with the names of watchers, ignoring case: ``glob`` (the
    default), ``simple`` or ``regex`` (anchored at the beginning). With ``waiting`` the reply comes when
    the processes run::

        {"command": "start", "properties": {"name": "web", "match": "glob", "waiting": true}}

    Reply
    -----

    When waiting, and exactly one watcher matches, ``info`` lists pids::

        {"status": "ok", "time": 1795288292.0, "info": {"started": [34], "kept": []}}

    Command line
    ------------

    ::

        $ circusctl start [NAME] [--waiting] [--match simple|glob|regex]
    """

    name = "start"
    options = [*Command.waiting_options, *match_options]
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 1, "Invalid number of arguments")
        return self.make_message(name=args[0], **opts) if args else self.make_message(**opts)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        cause = self.cause(props)
        return execute_watcher_start_stop_restart(
            arbiter,
            props,
            "start",
            lambda found: start_matched(arbiter, found, cause),
            lambda: caused(arbiter.start_watchers, cause)(),
            cause,
        )
