"""What happened: events of daemons, told in one line each.

Made of event messages and of the journal a daemon keeps (``events`` command); shown by the events pane and as marks
on charts. Spec wire.md 7 has the payloads.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from circus.model.dashboard.columns import exit_text, time_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KEPT = 2000
#: Seconds after the end of a process in which something that was measured before may still arrive. Samples and
#: events come by different ways.
_LATE = 2.0
_ENVELOPE = frozenset({"seq", "watcher", "res_name", "event", "time", "cause", "process_pid", "wid", "exit_code"})
#: How bad an event is: what colour it gets, and whether it is an alert.
_BAD = frozenset({"hook_failure"})


class Happening(NamedTuple):
    """One event.

    :param seq: its number at that daemon, 0 if the daemon does not count.
    :param time: epoch seconds.
    :param watcher: the watcher's name as topics have it.
    :param event: its name: ``spawn``, ``reap``...
    :param pid: the process concerned, if there is one.
    :param text: what happened, for people.
    :param cause: who or what brought it about; empty if the daemon did not say.
    :param gravity: ``bad`` (somebody should look), ``good``, or ``plain``.
    """

    seq: int
    time: float
    watcher: str
    event: str
    pid: int | None
    wid: int | None
    text: str
    cause: str
    gravity: str
    exit_code: int | None = None
    expected: bool | None = None


def happening(res_name: str, event: str, payload: Mapping[str, Any]) -> Happening:
    """An event as the daemon told it."""
    pid, wid, code = (_int(payload.get(key)) for key in ("process_pid", "wid", "exit_code"))
    expected = payload.get("expected")
    expected = expected if isinstance(expected, bool) else None
    cause = payload.get("cause")
    return Happening(
        _int(payload.get("seq")) or 0,
        _float(payload.get("time")),
        res_name,
        event,
        pid,
        wid,
        _text(event, payload, pid, wid, code),
        "" if not isinstance(cause, str) or cause == _plain_end(code) else cause,
        _gravity(event, code, expected),
        code,
        expected,
    )


def _plain_end(code: int | None) -> str:
    """The cause that says no more than the exit code does."""
    if code is None:
        return ""
    return f"exited with {code}" if code >= 0 else f"killed by {exit_text(code)}"


def _text(event: str, payload: Mapping[str, Any], pid: int | None, wid: int | None, code: int | None) -> str:
    who = f"worker {wid} (pid {pid})" if wid is not None else f"pid {pid}" if pid is not None else ""
    if event == "spawn":
        return f"{who} started"
    if event == "kill":
        return f"{who} was signalled"
    if event == "reap":
        how = exit_text(code) if code is not None else "ended"
        lived = payload.get("uptime")
        after = f" after {time_text(lived)}" if isinstance(lived, int | float) else ""
        return f"{who} ended: {how}{after}"
    if event in ("hook_success", "hook_failure"):
        error = payload.get("error")
        told = "failed" if event == "hook_failure" else "done"
        return f"hook {payload.get('name')} {told}{f': {error}' if error else ''}"
    plain = {
        "start": "watcher is running",
        "stop": "watcher stopped",
        "reload": "watcher reloaded",
        "updated": "options changed",
        "add": "watcher added",
        "remove": "watcher removed",
    }.get(event, event)
    extra = ", ".join(f"{key}={value}" for key, value in payload.items() if key not in _ENVELOPE)
    return f"{plain} ({extra})" if extra and event not in ("start", "stop") else plain


def _gravity(event: str, code: int | None, expected: bool | None) -> str:
    if event in _BAD or (event == "reap" and expected is False):
        return "bad"
    if event == "reap" and expected is None and code not in (0, None):
        return "bad"
    return "good" if event in ("spawn", "start") else "plain"


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


class Chronicle:
    """The happenings of one daemon, each once, whether told live, by the journal, or both."""

    def __init__(self) -> None:
        self.events: deque[Happening] = deque(maxlen=_KEPT)
        self._run_id = ""
        self._last_seq = 0
        #: Numbers of those that were told live since the connection began.
        self._live: deque[int] = deque(maxlen=_KEPT)
        self._exits: dict[tuple[str, int | None], int] = {}
        self._last_exits: dict[tuple[str, int | None], int | None] = {}
        #: When which worker ended unasked, in the last hour or so.
        self._deaths: deque[tuple[float, str, int | None]] = deque(maxlen=_KEPT)
        #: When which process ended, or (with None for the pid) which watcher was removed; the latest last.
        self._gone: dict[tuple[str, int | None], float] = {}

    def begin_again(self) -> None:
        """The daemon was lost and is back, perhaps as another one that counts from the beginning."""
        self._last_seq = 0
        self._live.clear()

    def add(self, told: Happening) -> bool:
        """One that was just published. :returns: whether it was not known."""
        if told.seq and told.seq <= self._last_seq:
            return False
        self._last_seq = max(self._last_seq, told.seq)
        self._live.append(told.seq)
        self.events.append(told)
        self._count(told)
        self._note_end(told)
        return True

    def merge(self, told: list[Happening], run_id: str) -> list[Happening]:
        """Those of a journal.

        :param run_id: which run of the daemon kept it.
        :returns: those that were not known.
        """
        known = {each.seq for each in self.events if each.seq}
        if self._run_id != run_id:  # another run: the numbers of the one before mean nothing
            known = {*self._live} - {0}
            if self._run_id:
                self._forget_counts(len(self._live))
        self._run_id = run_id
        fresh = [each for each in told if each.seq not in known]
        merged = sorted([*self.events, *fresh], key=lambda each: (each.time, each.seq))
        self.events = deque(merged, maxlen=_KEPT)
        for each in fresh:
            self._count(each)
        self._gone.clear()
        for each in merged:
            self._note_end(each)
        self._last_seq = max([self._last_seq, *(each.seq for each in told)])
        return fresh

    def _forget_counts(self, newest: int) -> None:
        """Count again, the newest events only."""
        self._exits.clear()
        self._last_exits.clear()
        self._deaths.clear()
        self._last_seq = 0
        for each in list(self.events)[-newest:] if newest else ():
            self._count(each)
            self._last_seq = max(self._last_seq, each.seq)

    def fates(self, pids: set[int | None]) -> list[Happening]:
        """The last that is known of each of these processes: that it was started, signalled, or has ended."""
        found = {
            (each.watcher, each.pid): each
            for each in self.events
            if each.pid is not None and each.pid in pids and each.event in ("spawn", "kill", "reap")
        }
        return list(found.values())

    def _note_end(self, told: Happening) -> None:
        if told.event in ("spawn", "add"):
            self._gone.pop((told.watcher, told.pid), None)
            self._gone.pop((told.watcher, None), None)
        elif (told.event == "reap" and told.pid is not None) or told.event == "remove":
            key = (told.watcher, told.pid)
            self._gone.pop(key, None)
            self._gone[key] = told.time
            if len(self._gone) > _KEPT:
                del self._gone[next(iter(self._gone))]

    def is_gone(self, watcher: str, pid: int | None, at: float) -> bool:
        """Whether something that was measured ``at`` that time is of a process (None: a watcher) there is no more."""
        ended = self._gone.get((watcher, pid))
        return ended is not None and at < ended + _LATE

    def _count(self, told: Happening) -> None:
        if told.event == "reap" and told.expected is False:
            for key in ((told.watcher, told.wid), (told.watcher, None)):
                self._exits[key] = self._exits.get(key, 0) + 1
                self._last_exits[key] = told.exit_code
            self._deaths.append((told.time, told.watcher, told.wid))

    def exits(self, watcher: str, wid: int | None = None) -> int:
        """How many workers of a watcher (or with one wid) ended unasked."""
        return self._exits.get((watcher, wid), 0)

    def deaths(self, since: float) -> dict[tuple[str, int | None], int]:
        """How many workers ended unasked since then: by watcher and wid, and by watcher and None for all of them."""
        found: dict[tuple[str, int | None], int] = {}
        for time, watcher, wid in self._deaths:
            if time >= since:
                for key in {(watcher, wid), (watcher, None)}:
                    found[key] = found.get(key, 0) + 1
        return found

    def last_exit(self, watcher: str, wid: int | None = None) -> int | None:
        """How the last of them ended, None if none did."""
        return self._last_exits.get((watcher, wid))
