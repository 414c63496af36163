"""The ``set`` command: change options of a watcher while it runs."""

from __future__ import annotations

from circus.commands.base import Command, bare, caused
from circus.commands.checks import expect_arguments
from circus.exc import ArgumentError, MessageError
from circus.model.options import check_option, convert_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Set(Command):
    """Set a watcher option

    Changes options of a watcher. All values are checked before the first is applied. What has to be done
    follows from the options: nothing (``graceful_timeout``), a resize (``numprocesses``), or a graceful
    reload of the processes (``cmd``, ``env``, ``uid``...). On a stopped watcher the values count from its
    next start. The configuration file is not changed.

    Message
    -------

    With ``waiting`` the reply comes when the watcher has settled::

        {"command": "set", "properties": {"name": "web", "options": {"numprocesses": 4, "max_age": 3600}}}

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0}

    Command line
    ------------

    ::

        $ circusctl set NAME KEY VALUE [KEY VALUE...] [--waiting]

    Keys are taken in lower case. Values are text, converted as the option demands: ``true``, ``1.5``,
    ``TERM``, ``A=1,B=2`` for ``env``, ``before_start:pkg.module.function`` for ``hooks``.
    """

    name = "set"
    properties = ["name", "options"]
    options = Command.waiting_options
    waiting = True

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 3, None, "Invalid number of arguments")
        words = args[1:]
        if len(words) % 2:
            raise ArgumentError("List of key/values is invalid")
        props: dict[str, Any] = {"name": args[0]}
        if opts.get("waiting"):
            props["waiting"] = True
        keys = [word.lower() for word in words[::2]]
        props["options"] = {key: _converted(key, value) for key, value in zip(keys, words[1::2], strict=True)}
        return self.make_message(**props)

    def validate(self, props: dict[str, Any]) -> None:
        super().validate(props)
        if not isinstance(props["options"], dict):
            raise MessageError("'options' property should be an object")
        # All are checked before one is applied, and taken as the tables mean them: a null limit is infinity.
        props["options"] = {key: check_option(key, value) for key, value in props["options"].items()}

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        watcher = self._get_watcher(arbiter, props["name"])
        options = _flatten_hooks(props["options"])
        if hasattr(watcher, "set_options"):
            return bare(caused(watcher.set_options, self.cause(props))(options))
        # A watcher of Circus 0.19: each call answers with the action it needs, and the largest is done once.
        actions = [watcher.set_opt(key, value) for key, value in options.items()]
        return bare(watcher.do_action(max([0, *(action or 0 for action in actions)])))


def _converted(key: str, word: str) -> Any:
    try:
        return convert_option(key, word)
    except (TypeError, ValueError, MessageError) as failure:
        raise ArgumentError(f"{key}: {failure}") from None


def _flatten_hooks(options: dict[str, Any]) -> dict[str, Any]:
    """A ``hooks`` table is set hook by hook, each with its own event."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if key == "hooks" and isinstance(value, dict):
            flat.update((f"hooks.{hook}", target) for hook, target in value.items())
        else:
            flat[key] = value
    return flat
