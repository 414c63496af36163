"""Statistics as pure data: topics, the sum of a watcher, what is remembered of the last minutes and of the last day.

Used by ``circusd-stats`` on one side and by readers of its stream on the other. It knows no clock, no socket and no
process: times come in as numbers. Spec stats-web.md 2.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from struct import Struct
from typing import Any

from circus.base.record import Record

#: First part of every topic of the stats stream.
STREAM = "stat"
#: Name under which circusd, circusd-stats and circushttpd are told.
DAEMONS = "circus"
#: Name under which the managed sockets are told.
SOCKETS = "sockets"
#: What the system does not tell.
UNKNOWN = "N/A"

#: What is remembered of a watcher and of a process, in this order.
#: ``io``: bytes read from and written to storage per second.
WATCHER_COLUMNS = ("cpu", "cpu_sum", "mem", "rss", "io", "count", "restarts")
PROCESS_COLUMNS = ("cpu", "rss", "io")
#: Those of which the last value of a minute is kept; of all others it is the mean.
_COUNTERS = frozenset({"restarts"})
_WHOLE = frozenset({"rss", "count", "restarts"})
_NAN = math.nan
#: Rows of so many 32-bit numbers as bytes; what is equal as bytes is the same, also what is unknown.
_PACKERS = tuple(Struct(f"={count}f") for count in range(9))


# -- topics ---------------------------------------------------------------------------------------------


def encode_topic(watcher: str, subtopic: int | None = None) -> bytes:
    """The topic of a watcher's sum, or with ``subtopic`` (a pid or descriptor) of one of its parts."""
    text = f"{STREAM}.{watcher}" if subtopic is None else f"{STREAM}.{watcher}.{subtopic}"
    return text.encode("utf-8")


def decode_topic(topic: bytes | str, stat: Mapping[str, Any] | None = None) -> tuple[str, str | None]:
    """(watcher, subtopic) of a topic; the subtopic is None for a sum.

    Names may have dots and may end in a number, so the topic alone is ambiguous: ``stat.web.1`` is the sum of a watcher
    ``web.1``, or process 1 of ``web``. The payload decides, which has ``subtopic`` for parts only.

    :param stat: the payload; without it a number at the end is taken for a subtopic.
    :raises ValueError: not a topic of the stats stream.
    """
    text = topic.decode("utf-8", "replace") if isinstance(topic, bytes) else topic
    first, _, name = text.partition(".")
    if first != STREAM or not name:
        raise ValueError(f"not a topic of the stats stream: {text!r}")
    watcher, dot, last = name.rpartition(".")
    if stat is None:
        is_part = bool(dot) and last.isascii() and last.isdigit()
    else:
        is_part = bool(dot) and "subtopic" in stat and str(stat["subtopic"]) == last
    return (watcher, last) if is_part else (name, None)


# -- one process ----------------------------------------------------------------------------------------


class StatSample(Record):
    """The counters of one process at one moment: what rates are reckoned from.

    :param time: when, in seconds by a clock that nobody sets.
    :param cpu_time: seconds of CPU used since it started.
    :param read_bytes: bytes read from storage since it started; None when unknown. ``write_bytes`` likewise.
    :param ctx_switches: how often it was given or lost a CPU since it started; None when unknown.
    """

    time: float
    cpu_time: float
    read_bytes: int | None = None
    write_bytes: int | None = None
    ctx_switches: int | None = None


class Rates(Record):
    """What a process did per second between two samples; None where a sample does not tell.

    :param cpu: percent of one CPU.
    """

    cpu: float | None
    read_bytes: float | None
    write_bytes: float | None
    ctx_switches: float | None


def rates(before: StatSample, after: StatSample) -> Rates:
    """The rates between two samples of the same process.

    A counter that went backwards belongs to another process of the same number, and no time between the samples
    says nothing: both give None.
    """
    span = after.time - before.time

    def per_second(old: float | None, new: float | None) -> float | None:
        if old is None or new is None or span <= 0 or new < old:
            return None
        return (new - old) / span

    cpu = per_second(before.cpu_time, after.cpu_time)
    return Rates(
        None if cpu is None else 100 * cpu,
        per_second(before.read_bytes, after.read_bytes),
        per_second(before.write_bytes, after.write_bytes),
        per_second(before.ctx_switches, after.ctx_switches),
    )


# -- a watcher ------------------------------------------------------------------------------------------


def aggregate(infos: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The sum of a watcher from the facts of its processes by pid.

    ``cpu`` is the mean, ``mem`` the sum, ``age`` the highest; ``N/A`` as soon as one of the values is (``age``: when
    all are). Without processes 0.0, 0 and ``N/A``.
    """
    cpus = [info.get("cpu", UNKNOWN) for info in infos.values()]
    mems = [info.get("mem", UNKNOWN) for info in infos.values()]
    ages = [age for info in infos.values() if (age := info.get("age", UNKNOWN)) != UNKNOWN]
    return {
        "pid": list(infos),
        "cpu": UNKNOWN if UNKNOWN in cpus else round(math.fsum(cpus) / len(cpus), 4) if cpus else 0.0,
        "mem": UNKNOWN if UNKNOWN in mems else round(math.fsum(mems), 3) if mems else 0,
        "age": max(ages, default=UNKNOWN),
    }


def totals(infos: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the sum of a watcher tells beyond :func:`aggregate`: ``rss`` in bytes, ``cpu_sum`` in percent, ``count``."""
    rss, cpu, count = 0, 0.0, 0
    for info in infos:
        rss += info.get("rss") or 0
        percent = info.get("cpu")
        cpu += percent if isinstance(percent, (int, float)) else 0.0
        count += 1
    return {"rss": rss, "cpu_sum": round(cpu, 1), "count": count}


# -- history --------------------------------------------------------------------------------------------


class Track:
    """Some measures of one thing over consecutive ticks; unknown values are NaN.

    Kept as a log of changes: most workers do the same as before most of the time, which then takes no room at all.

    :param names: of the measures, eight at most.
    :param begin: number of the tick of the first value.
    """

    # An entry of the log: for how many ticks it holds, which columns changed (a bit each), and their values.

    __slots__ = ("_first", "_last", "_length", "_log", "_names", "_open", "begin")

    def __init__(self, names: Sequence[str], begin: int) -> None:
        self.begin = begin
        self._names = names
        self._length = 0
        self._log = bytearray()
        #: Where the last entry of the log is.
        self._open = 0
        #: The values before the log, and at its end.
        self._first = self._last = _PACKERS[len(names)].pack(*repeat(_NAN, len(names)))

    def __len__(self) -> int:
        return self._length

    def append(self, tick: int, values: Sequence[float]) -> None:
        """Take the values of a tick, one for each column; the ticks since the last one are unknown."""
        missed = tick - self.begin - self._length
        if missed < 0:
            return
        packer = _PACKERS[len(self._names)]
        if missed:
            unknown = packer.pack(*repeat(_NAN, len(self._names)))
            for _ in range(missed):
                self._push(unknown)
        self._push(packer.pack(*values))

    def _push(self, row: bytes) -> None:
        log = self._log
        self._length += 1
        last = self._last
        if row == last and log and log[self._open] < 255:
            log[self._open] += 1
            return
        mask = 0
        changed = b""
        for bit, at in enumerate(range(0, len(row), 4)):
            value = row[at : at + 4]
            if value != last[at : at + 4]:
                mask |= 1 << bit
                changed += value
        self._open = len(log)
        log += bytes((1, mask)) + changed
        self._last = row

    def forget_before(self, tick: int) -> None:
        """Drop what is older than that."""
        if tick >= self.begin + self._length:
            self.begin, self._length = tick, 0
            self._log, self._open, self._first = bytearray(), 0, self._last
            return
        left = tick - self.begin
        if left <= 0:
            return
        self.begin, self._length = tick, self._length - left
        row = bytearray(self._first)
        log, at = self._log, 0
        while left >= log[at]:
            left -= log[at]
            at = self._apply(at, row)
        log[at] -= left
        self._first, self._log = bytes(row), log[at:]
        self._open -= at

    def _apply(self, at: int, row: bytearray) -> int:
        """Bring a row from before the entry at a place of the log to what it says; the place of the next one."""
        log = self._log
        mask = log[at + 1]
        at += 2
        column = 0
        while mask:
            if mask & 1:
                row[column : column + 4] = log[at : at + 4]
                at += 4
            mask >>= 1
            column += 4
        return at

    def columns(self) -> Iterator[tuple[str, array[float]]]:
        """Each measure with its values, the first one being that of the tick :attr:`begin`."""
        found: list[array[float]] = [array("f") for _ in self._names]
        unpack = _PACKERS[len(self._names)].unpack
        row = bytearray(self._first)
        at, end = 0, len(self._log)
        while at < end:
            count = self._log[at]
            at = self._apply(at, row)
            for column, value in zip(found, unpack(row), strict=True):
                column.extend(repeat(value, count))
        return zip(self._names, found, strict=True)


class History:
    """Tracks by name on one row of ticks, each bounded in length.

    :param kept: how many ticks are kept; up to a tenth more for a while.
    """

    def __init__(self, kept: int) -> None:
        self.kept = max(1, kept)
        self._slack = max(1, self.kept // 10)
        self._times = array("d")
        #: Number of the tick that ``_times`` begins with.
        self._first = 0
        self._tracks: dict[str, Track] = {}

    def __len__(self) -> int:
        return len(self._times)

    def tick(self, time: float) -> None:
        """A new tick begins, at ``time`` seconds since the epoch."""
        self._times.append(time)
        surplus = len(self._times) - self.kept
        if surplus >= self._slack:
            del self._times[:surplus]
            self._first += surplus
            for name, track in list(self._tracks.items()):
                track.forget_before(self._first)
                if not len(track):
                    del self._tracks[name]

    def record(self, name: str, columns: Sequence[str], values: Sequence[float]) -> None:
        """The values of ``name`` at the present tick; NaN for what is unknown."""
        track = self._tracks.get(name)
        now = self._first + len(self._times) - 1
        if track is None:
            track = self._tracks[name] = Track(columns, now)
        track.append(now, values)

    def forget(self, name: str) -> None:
        """Drop all that is known of ``name``; an unknown one is fine."""
        self._tracks.pop(name, None)

    def names(self) -> list[str]:
        """What there is something known of."""
        return list(self._tracks)

    def series(self, name: str, since: float | None = None) -> dict[str, list[float | None]]:
        """``time`` and the columns of one thing, oldest first; lists of equal length, empty when it is unknown.

        :param since: only what is later, in seconds since the epoch.
        """
        track = self._tracks.get(name)
        if track is None:
            return {}
        start = max(track.begin, self._first)
        if since is not None:
            start = max(start, self._first + bisect_right(self._times, since))
        end = track.begin + len(track)
        found: dict[str, list[float | None]] = {
            "time": [round(time, 3) for time in self._times[start - self._first:end - self._first]]
        }
        for column, values in track.columns():
            found[column] = [_told(column, value) for value in values[start - track.begin:]]
        return found


def _told(column: str, value: float) -> float | None:
    if value != value:  # NaN
        return None
    return int(value) if column in _WHOLE else round(value, 3)


class Downsampler:
    """Gathers the values of many ticks and gives one for each span of time: the mean, of counters the last.

    :param span: seconds.
    """

    def __init__(self, span: float = 60.0) -> None:
        self.span = span
        self._start = -1.0
        self._sums: dict[str, list[list[float]]] = {}

    def due(self, time: float) -> float | None:
        """The instant of the span that is over at ``time``, when one is; take it with :meth:`take` then."""
        start = time - time % self.span
        if self._start < 0:
            self._start = start
        if start == self._start:
            return None
        over, self._start = self._start, start
        return over

    def add(self, name: str, values: Sequence[float]) -> None:
        """A sample of ``name``; NaN for what is unknown."""
        rows = self._sums.get(name)
        if rows is None:
            rows = self._sums[name] = [[0.0, 0.0, _NAN] for _ in values]
        for row, value in zip(rows, values, strict=True):
            if value == value:
                row[0] += 1
                row[1] += value
                row[2] = value

    def take(self, columns: Sequence[str]) -> dict[str, list[float]]:
        """What was gathered, by name, and begin anew."""
        sums, self._sums = self._sums, {}
        return {
            name: [
                row[2] if column in _COUNTERS else row[1] / row[0] if row[0] else _NAN
                for column, row in zip(columns, rows, strict=True)
            ]
            for name, rows in sums.items()
        }
