"""How events look: one line each, in columns; or JSON.

Called by ``circusctl events``; it knows the keys of payloads (:mod:`circus.model.events`) and opens nothing.
"""

from __future__ import annotations

from circus.base.spans import span
from circus.ctl import quickjson
from circus.ctl.outputtext import DIM, RED, RESET, YELLOW, clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_GREEN = "\x1b[32m"
_HEADS = ("TIME", "WATCHER", "EVENT", "PID")


class EventText:
    """Makes text of events.

    :param colour: with colours, for a terminal.
    :param as_json: one object per line instead.
    """

    def __init__(self, *, colour: bool = False, as_json: bool = False) -> None:
        self._colour, self._as_json = colour, as_json
        self._widths = [23, 7, 6, 5]

    def head(self) -> str:
        """What stands above the columns, ended; nothing above JSON."""
        if self._as_json:
            return ""
        return f"{self._paint(DIM, self._columns(_HEADS) + 'WHAT')}\n"

    def fit(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Make the columns wide enough."""
        for event in events:
            cells = _cells(event)
            self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, cells, strict=True)]

    def render(self, event: Mapping[str, Any]) -> str:
        """One event, ended."""
        if self._as_json:
            return f"{quickjson.dumps(event)}\n"
        self.fit([event])
        what = plain(describe(event))
        return f"{self._columns(_cells(event))}{self._paint(_colour_of(event), what)}".rstrip() + "\n"

    def _columns(self, cells: Iterable[str]) -> str:
        return "".join(f"{cell:<{width}}  " for cell, width in zip(cells, self._widths, strict=True))

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{RESET}" if self._colour and colour and text else text


def _cells(event: Mapping[str, Any]) -> tuple[str, str, str, str]:
    at, pid = event.get("time"), event.get("process_pid", "")
    when = clock(at) if isinstance(at, int | float) else ""
    return when, plain(event.get("watcher") or event.get("res_name")), plain(event.get("event")), plain(pid)


def plain(value: object) -> str:
    """Text for one line of a terminal."""
    text = str(value)
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def describe(event: Mapping[str, Any]) -> str:
    """What happened and why, in words."""
    told = _TELLERS.get(str(event.get("event")), _anything)(event)
    cause = event.get("cause")
    if not cause or cause == told or str(cause) in told:
        return told
    return f"{told}: {cause}" if told else str(cause)


def exit_words(code: object) -> str:
    """``exited with 3``, ``killed by SIGKILL``."""
    from circus.model.slots import describe_exit  # only events of processes need it

    return describe_exit(code) if isinstance(code, int) else "ended"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _anything(event: Mapping[str, Any]) -> str:
    return ""


def _spawn(event: Mapping[str, Any]) -> str:
    return f"worker {event['wid']}" if "wid" in event else ""


def _reap(event: Mapping[str, Any]) -> str:
    told = exit_words(event.get("exit_code"))
    if _is_number(event.get("uptime")):
        told += f" after {span(event['uptime'])}"
    if event.get("expected") is False:
        told += ", by itself"
    return told


def _kill(event: Mapping[str, Any]) -> str:
    return exit_words(-event["signum"]).removeprefix("killed by ") if isinstance(event.get("signum"), int) else ""


def _updated(event: Mapping[str, Any]) -> str:
    return str(event.get("option", ""))


def _hook(event: Mapping[str, Any]) -> str:
    told = f"hook {event.get('name')}"
    if event.get("error"):
        told += " failed"
    elif event.get("go") is False:
        told += " refused"
    if _is_number(event.get("took")) and event["took"] >= 0.1:
        told += f" after {span(event['took'])}"
    return f"{told}: {event['error']}" if event.get("error") else told


_TELLERS = {
    "spawn": _spawn,
    "reap": _reap,
    "kill": _kill,
    "updated": _updated,
    "hook_success": _hook,
    "hook_failure": _hook,
}


def _colour_of(event: Mapping[str, Any]) -> str:
    """Red for what failed, yellow for what nobody asked for, green for what came up."""
    name = event.get("event")
    if name == "hook_failure" or event.get("go") is False:
        return RED
    if name == "reap":
        if event.get("expected") is False:
            return RED if event.get("exit_code") else YELLOW
        return ""
    return _GREEN if name in ("spawn", "start") else ""
