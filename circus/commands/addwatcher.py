"""The ``add`` command: a new watcher in a running daemon."""

from __future__ import annotations

from circus.commands.base import Command, caused, derive
from circus.commands.checks import expect_arguments
from circus.exc import MessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STREAMS = ("stdout_stream", "stderr_stream")


class AddWatcher(Command):
    """Add a watcher

    The watcher is stopped at first, unless ``start`` is true. It is not written to the configuration file,
    and the next ``reloadconfig`` removes it.

    Message
    -------

    ``name`` and ``cmd`` are required. ``args`` is text or a list, ``options`` any options of a watcher. With
    ``start`` and ``waiting`` the reply comes when the processes run::

        {"command": "add",
         "properties": {"name": "web", "cmd": "serve", "args": ["--port", "8080"],
                        "options": {"numprocesses": 2, "rlimit_nofile": 1024, "env": {"A": "1"}},
                        "start": true, "waiting": true}}

    When ``endpoint_owner`` is configured, ``options`` must have exactly that user as ``uid``.

    Reply
    -----

    When waiting for the start, the pids of the new processes::

        {"status": "ok", "time": 1795288292.0, "started": [34, 35], "kept": []}

    Command line
    ------------

    ::

        $ circusctl add [--start] NAME CMD...
    """

    name = "add"
    properties = ["name", "cmd"]
    options = [("", "start", False, "start the watcher right away")]

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 2, None, "Invalid number of arguments")
        return self.make_message(name=args[0], cmd=" ".join(args[1:]), start=opts.get("start", False))

    def validate(self, props: dict[str, Any]) -> None:
        super().validate(props)
        for key in ("name", "cmd"):
            if not isinstance(props[key], str):
                raise MessageError(f"{key!r} isn't a string")
        if not props["name"].strip():
            raise MessageError("command name shouldn't be empty")
        options = props.get("options")
        if options is None:
            options = {}
        elif not isinstance(options, dict):
            raise MessageError("'options' property should be an object")
        from circus.model.options import check_option  # the tables are kept off the way of circusctl

        props["options"] = {key: check_option(key, value, adding=True) for key, value in options.items()}
        if props.get("args") is not None:
            props["args"] = check_option("args", props["args"], adding=True)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        options = _constructor_options(props.get("options") or {})
        owner = arbiter.endpoint_owner if getattr(arbiter, "endpoint_owner_mode", False) else None
        if owner is not None and options.get("uid") != owner:
            raise MessageError("uid does not match endpoint_owner")
        # A request says these two by properties of their own; options of the same name would collide with
        # them.
        options.pop("cmd", None)
        args = options.pop("args", None)
        if props.get("args") is not None:
            args = props["args"]
        cause = self.cause(props)
        watcher = caused(arbiter.add_watcher, cause)(props["name"], props["cmd"], args=args, **options)
        if props.get("start"):
            return derive(caused(watcher.start, cause)(), lambda pids: pids)
        return None


def _constructor_options(options: dict[str, Any]) -> dict[str, Any]:
    """Options of the wire as keywords of ``Watcher``: members of families are gathered in their tables."""
    gathered: dict[str, Any] = {}
    for key, value in options.items():
        head, dot, rest = key.partition(".")
        if key.startswith("rlimit_"):
            gathered.setdefault("rlimits", {})[key[len("rlimit_") :]] = _limit(value)
        elif dot and (head == "hooks" or head in _STREAMS):
            gathered[head] = {**(gathered.get(head) or {}), rest: value}
        elif key == "hooks" or key in _STREAMS:
            gathered[key] = {**value, **(gathered.get(key) or {})}
        else:
            gathered[key] = value
    return gathered


def _limit(value: Any) -> Any:
    """A resource limit: null and nothing mean infinity, which the system writes as -1."""
    return -1 if value is None or value == "" else value
