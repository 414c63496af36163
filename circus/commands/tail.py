"""The ``tail`` command: what workers wrote last, from the daemon's memory."""

from __future__ import annotations

from circus.commands.base import Command, find_watcher
from circus.commands.checks import float_argument, int_argument, whole_number
from circus.commands.restart import find_watchers
from circus.exc import ArgumentError, MessageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Tail"]

STREAMS = ("stdout", "stderr")
#: Lines in one answer at most; nothing is said when more were asked for.
MOST_LINES = 100_000


class Tail(Command):
    """Show the last output of watchers

    What the processes of watchers wrote last to standard output and error, as far as circusd reads it:
    where a stream is configured, or ``capture`` is set. circusd keeps the last ``capture_size`` bytes (64 KiB)
    of each process and stream, and those of the last four processes of a watcher that ended.

    Message
    -------

    Everything is optional. ``name`` is a watcher, a pattern as in ``start`` (with ``match``), or a list of
    these; ``lines`` is how many lines are wanted in all, the newest; ``since`` an epoch before which nothing
    is wanted::

        {"command": "tail", "properties": {"name": "web", "pid": 1234, "stream": "stderr", "lines": 10}}

    Reply
    -----

    Lines in the order of their time, oldest first. ``offset`` is the position of a line in the output of its
    process and stream, ``ends`` the position behind the last line that is told, ``dropped`` how many bytes at
    the beginning are kept no longer, ``captured`` whether the output of a watcher is read at all::

        {"status": "ok", "lines": [{"watcher": "web", "wid": 1, "pid": 1234, "stream": "stdout",
         "time": 1795288292.0, "offset": 120, "text": "hello"}], "ends": {"1234.stdout": 126},
         "dropped": {"1234.stdout": 0}, "captured": {"web": true}}

    To go on without a gap and without a line twice, subscribe to ``output.`` on the event endpoint first,
    then send this, and leave out of what comes live all lines of a process and stream with an ``offset``
    below its ``ends``.

    Command line
    ------------

    ::

        $ circusctl tail [WATCHER...] [-f] [--lines N] [--since TIME] [--stdout] [--stderr] [--pid PID]

    With ``-f`` it goes on with what comes; ``circusctl tail --help`` tells the rest.
    """

    name = "tail"
    options = [
        ("n", "lines", None, "how many lines, 10 by default"),
        ("", "since", None, "nothing older than this, in seconds since 1970"),
        ("", "pid", None, "only the process with this id"),
    ]

    def message(self, *args: str, **opts: Any) -> dict[str, Any]:
        props: dict[str, Any] = {}
        if args:
            props["name"] = args[0] if len(args) == 1 else list(args)
        for key in ("lines", "pid"):
            if opts.get(key) is not None:
                props[key] = int_argument(opts[key], key)
        if opts.get("since") is not None:
            props["since"] = float_argument(opts["since"], "since")
        if opts.get("stream") is not None:
            props["stream"] = opts["stream"]
        return self.make_message(**props)

    def console_msg(self, msg: Mapping[str, Any]) -> str:
        """The lines, each with the name and worker it is from when there are several."""
        if msg.get("status") != "ok":
            return self.console_error(msg)
        lines = msg.get("lines", ())
        several = len({(line["watcher"], line["wid"]) for line in lines}) > 1
        return "\n".join(
            f"{line['watcher']}.{line['wid']} {line['text']}" if several else line["text"] for line in lines
        )

    def validate(self, props: dict[str, Any]) -> None:
        super().validate(props)
        if props.get("pid") is not None:
            props["pid"] = whole_number(props, "pid")
        if props.get("stream") is not None and props["stream"] not in STREAMS:
            raise MessageError("'stream' must be stdout or stderr")
        lines = props.get("lines", 10)
        if type(lines) is not int or lines < 0:
            raise MessageError("'lines' isn't a number of lines")
        since = props.get("since")
        if since is not None and (isinstance(since, bool) or not isinstance(since, (int, float))):
            raise MessageError("'since' isn't a number")

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        from circus.stream.tail import merge_newest  # kept off the way of circusctl

        watchers = _chosen(arbiter, props)
        stream, pid = props.get("stream"), props.get("pid")
        captured = {watcher.name: _is_captured(watcher, stream) for watcher in watchers}
        if isinstance(props.get("name"), str) and not any(captured.values()):
            raise MessageError(_remedy(props["name"], watchers, stream))
        told, owners = [], {}
        for watcher in watchers:
            if watcher.output_tail is not None:
                for each in watcher.output_tail.tell(pid, stream):
                    told.append(each)
                    owners[each.source] = watcher.name
        if pid is not None and not told and not any(pid in watcher.processes for watcher in watchers):
            raise MessageError(f"there is no process {pid}, and no output of it is kept")
        stories = merge_newest(told, min(props.get("lines", 10), MOST_LINES), props.get("since"))
        return {
            "lines": [
                {
                    "watcher": owners[source],
                    "wid": source.wid,
                    "pid": source.pid,
                    "stream": source.stream,
                    "time": line.time,
                    "offset": line.offset,
                    "text": line.text,
                }
                for source, line in stories
            ],
            "ends": {each.source.key: each.until for each in told},
            "dropped": {each.source.key: each.view.start for each in told},
            "captured": captured,
        }


def _chosen(arbiter: Any, props: Mapping[str, Any]) -> list[Any]:
    """The watchers that are asked for, each once."""
    name = props.get("name")
    if name is None:
        return list(arbiter.watchers)
    names = name if isinstance(name, list) else [name]
    if not names:
        raise ArgumentError("the list of watchers is empty")
    method = props.get("match") or "glob"
    if method == "glob" and not any("*" in str(each) or "?" in str(each) or "[" in str(each) for each in names):
        return list(dict.fromkeys(find_watcher(arbiter, each) for each in names))
    return list(dict.fromkeys(watcher for each in names for watcher in find_watchers(arbiter, each, method)))


def _is_captured(watcher: Any, stream: str | None) -> bool:
    """Whether new processes' output is read; that of those there are may still be kept."""
    return any(watcher.sink(each) is not None for each in ((stream,) if stream else STREAMS))


def _remedy(name: str, watchers: list[Any], stream: str | None) -> str:
    closed = [
        f" and close_child_{each} = false"
        for each in ((stream,) if stream else STREAMS)
        if any(getattr(watcher, f"close_child_{each}", False) for watcher in watchers)
    ]
    return (
        f"the output of {name} is not captured: give it a stream ({stream or 'stdout'}_stream.class = ... in its "
        f"section), or set capture = true there or in [circus]{''.join(closed)}"
    )
