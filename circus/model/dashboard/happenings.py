"""What happened: events of daemons, told in one line each.

Made of event messages and of the journal a daemon keeps (``events`` command); shown by the events pane and as marks
on charts. Spec wire.md 7 has the payloads.
"""

from __future__ import annotations

from typing import NamedTuple

from circus.model.dashboard.columns import exit_text, time_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

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
