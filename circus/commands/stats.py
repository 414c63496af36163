"""The ``stats`` command: what the processes of watchers use."""

from __future__ import annotations

import math
import time

from circus.commands.base import Command
from circus.commands.checks import expect_arguments, int_argument, whole_number
from circus.exc import MessageError
from circus.model.messages import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

__all__ = ["MessageError", "Stats", "Survey", "info_line"]

#: More processes than that are looked at in slices of so many seconds, in steps of so many processes.
AT_ONCE, SLICE, CHUNK = 100, 0.004, 8


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

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        extended = bool(props.get("extended", False))
        if "name" not in props:
            watchers = list(arbiter.watchers)

            def about_all(infos: dict[str, dict[int, Any]]) -> dict[str, Any]:
                told = {watcher.name: _condition(watcher) for watcher in watchers}
                conditions = {name: condition for name, condition in told.items() if condition}
                return {"infos": infos, "conditions": conditions} if conditions else {"infos": infos}

            return _survey(watchers, extended, props, about_all)
        watcher = self._get_watcher(arbiter, props["name"])
        if "process" not in props:

            def about_one(infos: dict[str, dict[int, Any]]) -> dict[str, Any]:
                return {"name": props["name"], "info": infos[watcher.name], **_condition(watcher)}

            return _survey([watcher], extended, props, about_one)
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


def _survey(
    watchers: list[Any], extended: bool, props: dict[str, Any], reply: Callable[[dict[str, dict[int, Any]]], Any]
) -> Any:
    """The reply about all processes of some watchers; of very many a future of it, so that the loop is not held up.

    :param reply: makes the reply of the facts by watcher and pid.
    """
    survey = Survey(watchers, extended)
    loop = _loop_of(watchers) if survey.size > AT_ONCE else None
    if loop is None:
        survey.advance(math.inf)
        return reply(survey.infos)
    from circus.base.tasks import Ticket, as_future  # kept off the way of circusctl

    ticket = Ticket("stats")

    def go_on() -> None:
        try:
            if survey.advance(SLICE):
                ticket.settle(reply(survey.infos))
            else:
                loop.call_soon(go_on)
        except Exception as failure:  # told to the client, as that of a command that takes no time
            ticket.fail(failure)

    loop.call_soon(go_on)
    props["waiting"] = True  # an answer without the facts would be none
    return as_future(ticket, loop, log_unobserved=False)


class Survey:
    """A look at many processes that can be interrupted.

    :param watchers: whose processes; what a watcher has when its turn comes is what is looked at.
    :param extended: ask the ``extended_stats`` hooks for more.
    """

    def __init__(self, watchers: list[Any], extended: bool) -> None:
        self.infos: dict[str, dict[int, Any]] = {}
        #: How many processes there are to look at.
        self.size = sum(len(watcher.processes) for watcher in watchers if hasattr(watcher, "info_of"))
        self._extended = extended
        self._steps = self._look(watchers)

    def advance(self, seconds: float) -> bool:
        """Go on for that long. True when it is done: ``infos`` is complete then."""
        end = time.monotonic() + seconds
        return all(time.monotonic() < end for _ in self._steps)

    def _look(self, watchers: list[Any]) -> Iterator[None]:
        for watcher in watchers:
            if not hasattr(watcher, "info_of") or len(watcher.processes) <= CHUNK:
                # No argument at all unless it is needed: watchers of third parties may not take one.
                self.infos[watcher.name] = watcher.info(*((True,) if self._extended else ()))
                yield
                continue
            infos = self.infos[watcher.name] = {}
            processes = list(watcher.processes.values())
            for start in range(0, len(processes), CHUNK):
                infos.update(watcher.info_of(processes[start:start + CHUNK], self._extended))
                yield


def _loop_of(watchers: list[Any]) -> Any:
    """The daemon's loop, once it runs."""
    for watcher in watchers:
        engine = getattr(watcher, "engine", None)
        loop = getattr(engine, "loop", None)
        if loop is not None:
            return getattr(loop, "real", loop)
    return None


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
