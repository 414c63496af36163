"""The ``why`` command: the causal story of a watcher's present state."""

from __future__ import annotations

import time

from circus.base.spans import span
from circus.commands.base import Command
from circus.commands.checks import expect_arguments
from circus.exc import MessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

#: Ends of processes and lines of output each that the text shows.
_EXITS, _LINES = 5, 5


class Why(Command):
    """Tell why a watcher is as it is

    Who or what asked for its present state, how its last processes ended, what happens next if nobody does
    anything, and what happened before. It is answered from memory, at once.

    Message
    -------

    ``lines`` is how many of the last lines of output come with each end of a process, where output is
    captured; 10 by default::

        {"command": "why", "properties": {"name": "web", "lines": 10}}

    Reply
    -----

    ::

        {"status": "active", "time": 1795288292.0, "name": "web", "stage": "up", "wanted": "running",
         "numprocesses": 2, "cause": "start command (circusctl root@db1 pid 4242)", "since": 1795288002.1,
         "reason": "1 of 2 processes running; worker 2 ended too soon 4 times in a row",
         "next": "next try in 0.6 s: worker 2, back-off 0.8 s",
         "next_try": 1795288292.6, "backoff": 0.8,
         "workers": [{"wid": 1, "pid": 34, "state": "running", "started": 1795288002.0, "age": 290.0,
                      "why": "daemon start"}],
         "exits": [{"wid": 2, "pid": 41, "time": 1795288291.8, "exit": "exited with 1", "exit_code": 1,
                    "uptime": 0.2, "expected": false, "cause": "exited with 1",
                    "lines": ["no such table: users"]}],
         "story": [{"time": 1795288002.0, "text": "start asked for: start command (circusctl ...)"}]}

    As in the reply to ``status``, the state of the watcher takes the place of the usual ``status``. ``stage``
    tells more exactly where it stands: ``idle``, ``asking`` (a hook, before it starts), ``starting``, ``up``,
    ``stopping`` or ``closing``. ``wanted`` is what was asked for last, ``running`` or ``stopped``. ``since``
    is null for a watcher that was never started; ``next_try`` and ``backoff`` (seconds) are null while no
    worker is held back. There may be ``hint`` in an exit, ``spawn_error`` (``time`` and ``text`` of the last
    start that failed) and ``hooks`` (the latest answers of hooks that refused or failed). Ends and story are
    in the order of time.

    ``streams`` is there when output was dropped, or when a stream is stuck: for each ``stdout`` and ``stderr``
    that is concerned the bytes ``dropped`` since it was opened, ``to`` (what the stream is), and ``stuck``, the
    seconds for which it has taken nothing, or null::

        {"streams": {"stdout": {"dropped": 4003, "to": "FileStream /var/log/web.log", "stuck": null}}}

    Command line
    ------------

    ::

        $ circusctl why NAME
    """

    name = "why"
    properties = ["name"]

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        expect_arguments(args, 1, 1, "Invalid number of arguments")
        return self.make_message(name=args[0])

    def validate(self, props: dict[str, Any]) -> None:
        super().validate(props)
        lines = props.setdefault("lines", 10)
        if type(lines) is not int or lines < 0:
            raise MessageError("'lines' isn't a number of lines")

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        watcher = self._get_watcher(arbiter, props["name"])
        if not hasattr(watcher, "supervision"):
            raise MessageError(f"nothing is remembered of {watcher.name}")
        from circus.story import explain  # kept off the way of circusctl

        return explain(watcher, min(props["lines"], 1000))

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        if "story" not in msg:
            return self.console_error(msg)
        return "\n".join(_Page(msg).lines())


class _Page:
    """The reply as a page of text."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.told = told
        self.now = told.get("time") or time.time()

    def lines(self) -> list[str]:
        """The page, line by line."""
        told = self.told
        since = told.get("since")
        head = f"{told['name']} is {told['status']}"
        if since is not None:
            head += f" since {self.clock(since)} ({span(max(0.0, self.now - since))})"
        if told.get("stage") == "idle" and told["wanted"] == "running":
            head += f", though it was to be {told['wanted']}"
        page = [head, f"  cause  {told['cause']}", f"  now    {told['reason']}", f"  next   {told['next']}"]
        self._section(page, "Output", self._streams())
        self._section(page, "Workers", map(self._worker, told.get("workers", ())))
        self._section(page, "Last ends of processes", self._exits())
        self._section(page, "Story", self._story())
        return page

    @staticmethod
    def _section(page: list[str], title: str, lines: Iterable[str]) -> None:
        found = [f"  {line}" for line in lines]
        if found:
            page += ["", title, *found]

    def _streams(self) -> Iterable[str]:
        for name, stream in self.told.get("streams", {}).items():
            from circus.base.convert import bytes2human  # kept off the way: few have lost anything

            dropped, stuck = stream["dropped"], stream["stuck"]
            facts = [f"{bytes2human(dropped)} dropped since it was opened"] if dropped else []
            facts += [] if stuck is None else [f"has taken nothing for {span(stuck)}"]
            yield f"{name}  {plain(stream['to'])}: {', '.join(facts)}"

    def _worker(self, worker: Mapping[str, Any]) -> str:
        pid = f"pid {worker['pid']}" if worker.get("pid") else "no pid yet"
        age = "" if worker.get("age") is None else f" for {span(worker['age'])}"
        why = f": {worker['why']}" if worker.get("why") else ""
        return f"{worker['wid']}  {pid}  {worker['state']}{age}{why}"

    def _exits(self) -> Iterable[str]:
        ends = self.told.get("exits", ())
        unasked = [end for end in ends if not end["expected"]][-_EXITS:]
        for end in unasked or ends[-_EXITS:]:
            text = f"{self.clock(end['time'])}  worker {end['wid']} (pid {end['pid']}) {end['exit']}"
            text += f" after {span(end['uptime'])}"
            if end["cause"] != end["exit"]:
                text += f": {end['cause']}"
            elif not end["expected"]:
                text += ", by itself"
            yield text + (f" ({end['hint']})" if end.get("hint") else "")
            for line in end.get("lines", ())[-_LINES:]:
                yield f"    | {plain(line)}"

    def _story(self) -> Iterable[str]:
        lines = [(entry["time"], plain(entry["text"])) for entry in self.told["story"]]
        position = 0
        while position < len(lines):
            at, text = lines[position]
            alike = _run_of(lines, position)
            if alike > 3:
                yield f"{self.clock(at)}  {text}"
                yield f"{' ' * len(self.clock(at))}  ... {alike - 2} more like that ..."
                position += alike - 1
                continue
            yield f"{self.clock(at)}  {text}"
            position += 1

    def clock(self, at: float) -> str:
        """Local time, with the date where it is not today's."""
        then, today = time.localtime(at), time.localtime(self.now)
        return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)


def _run_of(lines: list[tuple[float, str]], start: int) -> int:
    """How many lines from ``start`` on differ in nothing but numbers."""
    shape = _shape(lines[start][1])
    end = start + 1
    while end < len(lines) and _shape(lines[end][1]) == shape:
        end += 1
    return end - start


def _shape(text: str) -> str:
    return " ".join(word for word in "".join(" " if c.isdigit() or c == "." else c for c in text).split())


def plain(text: str) -> str:
    """Text of workers and hooks, fit for a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
