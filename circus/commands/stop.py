"""The ``stop`` command: bring watchers down."""

from __future__ import annotations

from circus.commands.base import Command, caused
from circus.commands.restart import execute_watcher_start_stop_restart, match_options, stop_matched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Stop(Command):
    """Stop watchers

    Stops one watcher, those that match a pattern, or all of them, at the same time: each process gets the
    watcher's
    ``stop_signal``, and SIGKILL when it still runs after ``graceful_timeout`` seconds. The watchers stay
    known and can be started again.

    Message
    -------

    ``match`` tells how ``name`` is compared with the names of watchers, ignoring case: ``glob`` (the
    default), ``simple`` or ``regex`` (anchored at the beginning). With ``waiting`` the reply comes when
    all processes have ended::

        {"command": "stop", "properties": {"name": "web", "match": "glob", "waiting": true}}

    Reply
    -----

    When waiting, and exactly one watcher matches, the reply has ``info`` too, which is always null::

        {"status": "ok", "time": 1795288292.0}

    Command line
    ------------

    ::

        $ circusctl stop [NAME] [--waiting] [--match simple|glob|regex]
    """

    name = "stop"
    options = [*Command.waiting_options, *match_options]
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        return self.make_message(name=args[0], **opts) if args else self.make_message(**opts)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        cause = self.cause(props)
        return execute_watcher_start_stop_restart(
            arbiter,
            props,
            "stop",
            lambda found: stop_matched(arbiter, found, cause),
            lambda: caused(arbiter.stop_watchers, cause)(),
            cause,
        )
