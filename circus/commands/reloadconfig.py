"""The ``reloadconfig`` command: make the daemon what its configuration file says now."""

from __future__ import annotations

from circus.commands.base import Command, bare, caused
from circus.exc import MessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class ReloadConfig(Command):
    """Reload the configuration file

    Reads the file again, compares it with what was read before, and changes only what differs: watchers,
    plugins and sockets that are new, gone or different. What ``set`` and ``incr`` have changed since is kept
    where the file still says the same. A file with errors changes nothing.

    Message
    -------

    With ``waiting`` the reply comes when all is in place. With ``dry_run`` nothing is done::

        {"command": "reloadconfig", "properties": {"waiting": true}}
        {"command": "reloadconfig", "properties": {"dry_run": true}}

    Reply
    -----

    A dry run is answered at once with the steps a real one would take: in ``plan`` a line each for people, in
    ``steps`` for programs, with every option that differs. Values are written as Python writes them; ``old`` is
    missing where the option is new, ``new`` where it is gone, and both where they may be secret. ``problems``
    says why the file cannot be applied, if it cannot be::

        {"status": "ok", "time": 1795288292.0,
         "plan": ["replace watcher web (cmd: 'serve' -> 'serve -v', env changes)"],
         "steps": [{"act": "replace watcher", "name": "web", "changes": [
             {"option": "cmd", "old": "'serve'", "new": "'serve -v'"}, {"option": "env"}]}],
         "problems": []}

    Command line
    ------------

    ::

        $ circusctl reloadconfig [--waiting] [--dry-run]
    """

    name = "reloadconfig"
    options = [*Command.waiting_options, ("", "dry-run", False, "only tell what would be done")]
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        props: dict[str, Any] = {"waiting": opts.get("waiting", False)}
        if opts.get("dry_run") or opts.get("dry-run"):
            props["dry_run"] = True
        return self.make_message(**props)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        if not props.get("dry_run"):
            return bare(caused(arbiter.reload_from_config, self.cause(props))())
        if not hasattr(arbiter, "plan_reload"):
            raise MessageError("this arbiter cannot plan a reload")
        plan: dict[str, Any] = arbiter.plan_reload()
        return plan

    def ends_daemon(self, props: dict[str, Any]) -> bool:
        # New settings of the daemon itself are applied by a full restart.
        return True

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if "plan" not in msg:
            return super().console_msg(msg)
        return "\n".join(str(line) for line in msg["plan"]) or "nothing to do"
