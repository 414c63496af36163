"""The ``stats`` command: what the processes of watchers use."""

from __future__ import annotations

from circus.commands.base import Command
from circus.commands.checks import expect_arguments, int_argument, whole_number
from circus.exc import MessageError
from circus.model.messages import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["MessageError", "Stats", "info_line"]


class Stats(Command):
    """Get process infos

    Memory, CPU time and so on of one process, of all processes of a watcher, or of all watchers.

    Message
    -------

    ``process`` is a pid of the watcher; ``extended`` asks the watcher's ``extended_stats`` hook for more::

        {"command": "stats", "properties": {"name": "web", "process": 1234, "extended": false}}

    Reply
    -----

    For one process its ``info``; for a watcher ``info`` by pid; for all ``infos`` by watcher, then by pid::

        {"status": "ok", "time": 1795288292.0, "process": 1234, "info": {"cpu": 0.5, "mem": 0.1, "pid": 1234}}
        {"status": "ok", "time": 1795288292.0, "name": "web", "info": {"1234": {"cpu": 0.5, "pid": 1234}}}
        {"status": "ok", "time": 1795288292.0, "infos": {"web": {"1234": {"cpu": 0.5, "pid": 1234}}}}

    ``mem_info1``, ``mem_info2``
        resident and virtual memory, as text for people
    ``mem``, ``cpu``
        percent of the memory; percent of one CPU since the last sample
    ``ctime``
        CPU time used, ``minutes:seconds.hundredths``
    ``pid``, ``wid``, ``cmdline``, ``username``, ``nice``, ``create_time``, ``started``, ``age``
        which process, whose, since when
    ``children``
        the same about the direct children

    Beside ``info`` (and for all watchers under ``conditions``, by name) the reply tells what is out of the
    ordinary: ``streams`` with the bytes read, dropped, and seconds blocked of each captured output, and
    ``retry_in`` with the seconds until each worker that is being held back is tried again.

    What the system does not tell is ``"N/A"``; a process that has gone is the text ``No such process
    (stopped?)``.

    Command line
    ------------

    ::

        $ circusctl stats [--extended] [NAME] [PID]
        web:
        1234: 1234  serve www 0 1.78M 2.85M 0.5 0.007 0:00.10
    """

    name = "stats"
    options = [("", "extended", False, "ask the extended_stats hook for more")]

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 0, 2, "message invalid")
        props: dict[str, Any] = {}
        if args:
            props["name"] = args[0]
        if len(args) > 1:
            props["process"] = int_argument(args[1], "process")
        return self.make_message(**props, extended=opts.get("extended", False))

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        extended = bool(props.get("extended", False))
        if "name" not in props:
            # No argument at all unless it is needed: watchers of third parties may not take one.
            arguments = (True,) if extended else ()
            infos = {watcher.name: watcher.info(*arguments) for watcher in arbiter.watchers}
            told = {watcher.name: _condition(watcher) for watcher in arbiter.watchers}
            conditions = {name: condition for name, condition in told.items() if condition}
            return {"infos": infos, "conditions": conditions} if conditions else {"infos": infos}
        watcher = self._get_watcher(arbiter, props["name"])
        if "process" not in props:
            return {"name": props["name"], "info": watcher.info(extended), **_condition(watcher)}
        pid = whole_number(props, "process")
        try:
            info = watcher.process_info(pid, extended)
        except KeyError:
            raise MessageError(f"process {quote(props['process'])} not found in {props['name']!r}") from None
        return {"process": props["process"], "info": info}

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if msg.get("status") != "ok":
            return self.console_error(msg)
        if "infos" in msg:
            return "\n".join(_watcher_text(name, infos) for name, infos in msg["infos"].items())
        if "process" in msg:
            # The line break after a single process has always been there.
            return _process_text(msg["process"], msg["info"]) + "\n"
        return _watcher_text(msg.get("name"), msg.get("info", {}))


def info_line(info: Mapping[str, Any]) -> str:
    """One process on one line: pid, program, user, nice, resident and virtual memory, cpu, mem, cpu time."""
    keys = ("cmdline", "username", "nice", "mem_info1", "mem_info2", "cpu", "mem", "ctime")
    return f"{info.get('pid')}  " + " ".join(str(info.get(key, "N/A")) for key in keys)


def _process_text(pid: object, info: Any) -> str:
    if not isinstance(info, dict):
        return f"{pid}: {info}"
    children = [child for child in info.get("children") or () if isinstance(child, dict)]
    return "\n".join([f"{pid}: {info_line(info)}", *(f"   {info_line(child)}" for child in children)])


def _condition(watcher: Any) -> dict[str, Any]:
    """What :meth:`circus.watcher.Watcher.condition` tells; nothing for watchers of third parties."""
    condition = getattr(watcher, "condition", None)
    told = condition() if callable(condition) else {}
    return told if isinstance(told, dict) else {}


def _watcher_text(name: object, infos: Mapping[str, Any]) -> str:
    return "\n".join([f"{name}:", *(_process_text(pid, info) for pid, info in infos.items())])
