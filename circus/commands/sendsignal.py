"""The ``signal`` command: one signal to processes of a watcher, without any follow-up."""

from __future__ import annotations

from circus.commands.base import Command, caused
from circus.commands.checks import expect_arguments, int_argument, signal_number, whole_number
from circus.exc import ArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Signal(Command):
    """Send a signal

    Sends a signal to all processes of a watcher, to one of them, to their children or to one child. Nothing
    is waited for and nothing escalates: to end processes use ``kill`` or ``stop``.

    Message
    -------

    ``name`` and ``signum`` (a number or a name such as ``hup``, ``SIGTERM``, ``SIGRTMIN+2``) are required::

        {"command": "signal", "properties": {"name": "web", "pid": 1234, "signum": "HUP"}}

    ``pid``
        only this process of the watcher; without it, all live ones
    ``childpid`` (or ``child_pid``)
        only this direct child of ``pid``
    ``children``
        the direct children of each process, and not the process itself
    ``recursive``
        the process and all its descendants

    Reply
    -----

    ::

        {"status": "ok", "time": 1795288292.0}

    Command line
    ------------

    ::

        $ circusctl signal NAME [PID] [--children] [--recursive] SIGNUM
    """

    name = "signal"
    properties = ["name", "signum"]
    options = [
        ("", "children", False, "send the signal to the children of the processes, not to themselves"),
        ("", "recursive", False, "send the signal to the processes and all their descendants"),
    ]

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 2, 3, "Invalid number of arguments")
        props: dict[str, Any] = {
            "name": args[0],
            "children": opts.get("children", False),
            "recursive": opts.get("recursive", False),
            "signum": args[-1],
        }
        if len(args) == 3:
            props["pid"] = int_argument(args[1], "pid")
        return self.make_message(**props)

    def validate(self, props: dict[str, Any]) -> None:
        super().validate(props)
        props["signum"] = signal_number(props["signum"])
        if "childpid" not in props and "child_pid" in props:
            props["childpid"] = props["child_pid"]
        for key in ("pid", "childpid"):
            if props.get(key) is not None:
                props[key] = whole_number(props, key)
        if props.get("childpid") is not None and props.get("pid") is None:
            raise ArgumentError("cannot specify childpid without pid")

    def execute(self, arbiter: Any, props: dict[str, Any]) -> None:
        watcher = self._get_watcher(arbiter, props["name"])
        signum, pid, child, cause = props["signum"], props.get("pid"), props.get("childpid"), self.cause(props)
        for target in [pid] if pid is not None else _live_pids(watcher):
            if child is not None:
                watcher.send_signal_child(target, child, signum)
            elif props.get("children"):
                watcher.send_signal_children(target, signum)
            elif props.get("recursive"):
                _signal_tree(watcher, target, signum, cause)
            else:
                caused(watcher.send_signal, cause)(target, signum)


def _live_pids(watcher: Any) -> list[int]:
    pids: list[int] = (getattr(watcher, "active_pids", None) or watcher.get_active_pids)()
    return pids


def _signal_tree(watcher: Any, pid: int, signum: int, cause: str) -> None:
    """The process, with the hooks of the watcher, then all its descendants.

    They are looked up first, as identities that a recycled pid does not match: a parent that dies of the
    signal takes the knowledge of its children along.

    :raises PermissionError: one of them may not be signalled; all others have been.
    """
    from circus.system.procinfo import ref_of, signal_ref  # kept off the way of circusctl

    process = watcher.processes.get(pid)
    pids = process.children(recursive=True) if process is not None else []
    descendants = [ref for ref in map(ref_of, pids) if ref is not None]
    caused(watcher.send_signal, cause)(pid, signum)
    refused = None
    for descendant in descendants:
        try:
            signal_ref(descendant, signum)
        except PermissionError as failure:
            refused = failure
    if refused is not None:
        raise refused
