"""What workers said before the lines the daemon still has: from the files their streams write, on the same host.

Used by the output pane's ``b`` (:mod:`circus.top.recall`). It knows what a daemon says of a watcher's streams and how
those dress lines; files are read by :mod:`circus.top.logfiles`.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from circus.exc import ArgumentError
from circus.model.dashboard.output import OutputLine
from circus.system.endpoint import parse_endpoint
from circus.top.logfiles import LogFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

#: What a stream with ``time_format`` writes in front of each line; spec plugins-hooks-streams.md 3.
_DRESSED = re.compile(r"(.*?) \[(\d+)\] \| (.*)", re.DOTALL)
#: Seconds that one reading may take before it tells what it has; and lines between two looks at the clock.
_PATIENCE, _CLOCK_EVERY = 5.0, 256


class Source(NamedTuple):
    """A file that output goes to. ``streams`` are those that go there, ``time_format`` that of its lines, or empty."""

    path: str
    streams: tuple[str, ...]
    time_format: str


def sources_of(options: Mapping[str, Any], base: str) -> list[Source]:
    """The files a watcher's output goes to.

    :param options: the reply to ``options``.
    :param base: where relative names begin: the working directory of the daemon.
    :raises ArgumentError: there is none.
    """
    found: dict[str, Source] = {}
    for stream in ("stdout", "stderr"):
        conf = options.get(f"{stream}_stream_conf") or options.get(f"{stream}_stream") or {}
        name = conf.get("filename") if isinstance(conf, dict) else None
        if not isinstance(name, str) or not name:
            continue
        path = os.path.normpath(os.path.join(base, name))
        known = found.get(path)
        text = str(conf.get("time_format") or "").strip("'\"")
        found[path] = Source(path, (*(known.streams if known else ()), stream), text)
    if not found:
        raise ArgumentError("its output goes to no file: stdout_stream.class = FileStream would keep more")
    return list(found.values())


def is_same_host(control: str | None, ssh: str | None, info: Mapping[str, Any]) -> bool:
    """Whether a daemon runs where we do, so that its files are those that we see.

    A port of the loopback may be a tunnel, and a socket that of a container: what tells is whether the daemon's
    process is here, and began when the daemon says it did.

    :param control: its control endpoint.
    :param info: what it says of its own process.
    """
    if control is None or ssh is not None:
        return False
    endpoint = parse_endpoint(control)
    if endpoint.scheme not in ("tcp", "ipc"):
        return False
    try:
        with open(f"/proc/{int(info['pid'])}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b") ")[2].split()[19])
        with open("/proc/stat", "rb") as file:
            boot = int(file.read().partition(b"\nbtime ")[2].split(None, 1)[0])
    except (OSError, KeyError, TypeError, ValueError, IndexError):
        return False
    begun = boot + ticks / os.sysconf("SC_CLK_TCK")
    told = info.get("create_time")
    return isinstance(told, (int, float)) and abs(told - begun) < 5.0


class Backlog:
    """The lines of one watcher, or of one worker of it, before those that are known; read further back each time.

    :param source: the file.
    :param watcher: whose it is; ``wid`` for one worker.
    :param pids: which worker the processes of the watcher were, as far as it is known.
    :raises OSError: the file cannot be read.
    """

    def __init__(
        self, source: Source, watcher: str, wid: int | None, pids: Mapping[int, int | None]
    ) -> None:
        self._source, self._watcher, self._wid, self._pids = source, watcher, wid, pids
        self._known: Counter[str] = Counter()
        self.files = LogFiles(source.path)
        self._lines = self._read()
        self._wanted: Callable[[str], bool] = bool
        self._deadline = 0.0
        #: Whether there is nothing more.
        self.is_over = False
        #: Lines that were looked at.
        self.looked_at = 0

    def leave_out(self, known: Iterable[OutputLine]) -> None:
        """What is on the screen already is not read again; told before the first reading."""
        self._known = Counter(line.text for line in known if line.stream in self._source.streams)

    def close(self) -> None:
        """Close the files. May be called more than once."""
        self.files.close()

    def read(self, count: int, wanted: Callable[[str], bool], until: Callable[[str], bool] | None) -> list[OutputLine]:
        """The lines before those read last, oldest first. Takes a while: for a thread.

        :param count: so many at most.
        :param wanted: whether a text is to be told at all.
        :param until: read on to a line of which this is true.
        """
        found: list[OutputLine] = []
        self._wanted, self._deadline = wanted, time.monotonic() + _PATIENCE
        for line in self._lines:
            if line is None:
                break
            found.append(line)
            if len(found) >= count or (until is not None and line.stream and until(line.text)):
                break
        else:
            self.is_over = True
        found.reverse()
        return found

    def _read(self) -> Iterator[OutputLine | None]:
        """The lines that belong here and are wanted, the newest first; a remark where a file ends or a day begins; and
        None when time is up."""
        at = day = ""
        for dressed in self.files.lines():
            self.looked_at += 1
            if self.looked_at % _CLOCK_EVERY == 0 and time.monotonic() > self._deadline:
                yield None
            when, pid, text = self._undress(dressed)
            if self._known and self._known[text] > 0:
                self._known[text] -= 1
                continue
            if not self._wanted(text) or (self._wid is not None and pid and self._pids.get(pid) != self._wid):
                continue
            moment = _instant(when, self._source.time_format) if when else 0.0
            line = OutputLine(0, moment, self._watcher, self._pids.get(pid), pid, self._source.streams[0], text)
            if self.files.at != at:
                at = self.files.at
                yield line._replace(stream="", text=f"above: {at}")
            if moment and (today := _day(moment)) != day:
                if day:
                    yield line._replace(stream="", text=day)
                day = today
            yield line

    def _undress(self, text: str) -> tuple[str, int, str]:
        """Time, pid and what was said; empty and 0 where the file does not tell."""
        if self._source.time_format and (dressed := _DRESSED.fullmatch(text)):
            return dressed[1], int(dressed[2]), dressed[3]
        return "", 0, text


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


@lru_cache(maxsize=64)  # many lines have the same second
def _instant(text: str, time_format: str) -> float:
    try:
        return time.mktime(time.strptime(text, time_format))
    except (ValueError, OverflowError):
        return 0.0
