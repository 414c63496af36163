"""The ``events`` command: the last events of the daemon, for those who come later."""

from __future__ import annotations

import math
import time

from circus.commands.base import Command
from circus.commands.checks import count, expect_arguments
from circus.exc import MessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

#: Events in a reply when no limit is asked for, and at most.
LIMIT, MOST = 100, 2000


class Events(Command):
    """Tell the last events

    The daemon keeps its last 2000 events in memory. They are told in the order in which they happened.

    Message
    -------

    All properties may be left out::

        {"command": "events",
         "properties": {"since": 4711, "name": "web", "events": ["reap"], "limit": 100}}

    ``since``
        the number of an event: only those after it; or an instant, seconds since the epoch: only those at or
        after it
    ``name``
        only events of this watcher, which may be gone by now
    ``events``
        only events with these names
    ``limit``
        how many at most, 100 by default, never more than 2000. With ``since`` they are the oldest of those
        asked for, so that the rest can be asked for next; without it they are the newest.

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0,
         "events": [{"seq": 4712, "watcher": "web", "res_name": "web", "event": "reap", "time": 1795288291.5,
                     "process_pid": 34, "exit_code": -9, "expected": false, "wid": 1, "uptime": 3.5,
                     "cause": "killed by SIGKILL"}],
         "more": false, "first": 2713, "last": 4712, "daemon": "1f6c6c4bb3a0b3a7"}

    ``more`` tells that the limit left some out; ``first`` and ``last`` are the numbers of the oldest and the
    newest event that the daemon knows. ``daemon`` is another one for each run of circusd: numbers of
    different runs cannot be compared.

    To follow without a gap, subscribe first, then ask, then leave out what comes live with a ``seq`` that
    was told already.

    Command line
    ------------

    ::

        $ circusctl events [NAME...] [--follow] [--since WHEN] [--lines N] [--json]
    """

    name = "events"

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 1, "Invalid number of arguments")
        props: dict[str, Any] = {"name": args[0]} if args else {}
        props.update((key, opts[key]) for key in ("since", "events", "limit") if opts.get(key) is not None)
        return self.make_message(**props)

    def validate(self, props: dict[str, Any]) -> None:
        super().validate(props)
        since = props.get("since")
        if since is not None and (type(since) not in (int, float) or not math.isfinite(since)):
            raise MessageError("'since' isn't a number")
        names = props.get("events")
        if names is not None and (type(names) is not list or not all(isinstance(name, str) for name in names)):
            raise MessageError("'events' isn't a list of names")
        if count(props, "limit", LIMIT) < 1:
            raise MessageError("'limit' is less than 1")

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        name = props.get("name")
        if name is not None:
            name = self._name_of(arbiter, name)
        journal = arbiter.journal
        limit = min(count(props, "limit", LIMIT), MOST)
        events, more = journal.since(props.get("since"), name, props.get("events"), limit)
        return {
            "events": events, "more": more, "first": journal.first, "last": journal.last, "daemon": journal.run_id,
        }

    def _name_of(self, arbiter: Any, name: object) -> str:
        """A watcher may be gone and have left events; a name nobody knows is refused."""
        try:
            found: str = self._get_watcher(arbiter, name).name
        except MessageError:
            if not arbiter.journal.since(name=name, limit=1)[0]:
                raise
            return str(name)
        return found

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if "events" not in msg:
            return super().console_msg(msg)
        return "\n".join(map(_line, msg["events"])) or "no events"


def _line(event: Mapping[str, Any]) -> str:
    at = event.get("time")
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if isinstance(at, (int, float)) else "-"
    pid = f" pid {event['process_pid']}" if "process_pid" in event else ""
    hook = f" {event['name']}" if "name" in event else ""
    return f"{event['seq']:>6}  {clock}  {event['watcher']}  {event['event']}{hook}{pid}: {event.get('cause', '')}"
