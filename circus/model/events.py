"""The events of a daemon: their names, what each carries, and when it is published.

One table (spec wire.md 7), read by the watchers that publish, by the commands that tell of the past, by the tests that
hold the daemon to it, and by the manual. Nothing here publishes or keeps anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from circus.base.record import Record


class Key(Record):
    """One key of an event's payload.

    :param name: the key.
    :param type: a word of JSON: ``integer``, ``number``, ``text`` or ``boolean``.
    :param unit: of numbers; empty for none.
    :param doc: what it says.
    :param always: False when events of a watcher whose processes a program manages by hand are without it.
    :param since: the version that has it first.
    """

    name: str
    type: str
    unit: str
    doc: str
    always: bool = True
    since: str = "1.0"


class EventSpec(Record):
    """One kind of event.

    :param name: last part of the topic ``watcher.NAME.EVENT``.
    :param when: when it is published.
    :param keys: of the payload, in the order in which they stand there. ``time``, ``cause`` and ``seq`` are in each.
    """

    name: str
    when: str
    keys: tuple[Key, ...]

    def problems(self, payload: Mapping[str, Any]) -> list[str]:
        """What is wrong with a payload, a line each; empty when it is as the table says."""
        found = [f"{key.name} is missing" for key in self.keys if key.always and key.name not in payload]
        known = {key.name: key for key in self.keys}
        for name, value in payload.items():
            if name not in known:
                found.append(f"{name} is not in the table")
            elif not _TYPES[known[name].type](value):
                found.append(f"{name} is {value!r}, not of type {known[name].type}")
        order = [key.name for key in self.keys if key.since == "0.19"]
        if list(payload)[: len(order)] != order:
            found.append(f"begins with {list(payload)}, not with {order}")
        return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool)


_TYPES: dict[str, Callable[[object], bool]] = {
    "integer": _is_integer, "number": _is_number, "text": _is_text, "boolean": _is_boolean,
}

_PID = Key("process_pid", "integer", "", "the process", since="0.19")
_TIME = Key("time", "number", "seconds since the epoch", "when it happened", since="0.19")
_WID = Key("wid", "integer", "", "the worker id of the process: 1 to numprocesses, the lowest that is free", False)
_HOOK = Key("name", "text", "", "the hook", since="0.19")
_GO = Key("go", "boolean", "", "whether what the hook guards may go on: false when it refused")
_TOOK = Key("took", "number", "seconds", "how long the hook thought about it", False)
_CAUSE = Key("cause", "text", "", "who or what brought it about, in words for people")
_SEQ = Key("seq", "integer", "", "which event of this daemon it is, from 1; a gap means that some were missed", False)


def _spec(name: str, when: str, *keys: Key, then: Iterable[Key] = ()) -> EventSpec:
    return EventSpec(name, when, (*keys, *then, _CAUSE, _SEQ))


#: Every event a daemon publishes by itself, by name. Hooks may publish others of their own.
EVENTS: dict[str, EventSpec] = {
    spec.name: spec
    for spec in (
        _spec("start", "A watcher has become active: all its processes run and `after_start` agreed.", _TIME),
        _spec("stop", "A watcher has stopped: all its processes are gone. Also after a start that failed.", _TIME),
        _spec("reload", "The processes of a watcher have been replaced, or told by SIGHUP to reload.", _TIME),
        _spec(
            "updated", "An option of a watcher was changed, one event for each.", _TIME,
            then=[Key("option", "text", "", "the name of the option")],
        ),
        _spec("add", "A watcher was added to the running daemon.", _TIME),
        _spec("remove", "A watcher was removed from the running daemon; the events of its stop follow.", _TIME),
        _spec("spawn", "A process was started, and `after_spawn` agreed.", _PID, _TIME, then=[_WID]),
        _spec(
            "kill", "A process was sent its stop signal, or the SIGKILL that follows when its grace is over; one event "
            "for each process signalled, children included. Also when `before_signal` held the signal back.",
            _PID, _TIME,
        ),
        _spec(
            "reap", "A process has ended, however that came; exactly one for each `spawn`.", _PID, _TIME,
            Key("exit_code", "integer", "", "its exit status, or minus the signal that ended it", since="0.19"),
            then=[
                Key("expected", "boolean", "", "whether Circus was ending it; false when it ended by itself"),
                _WID,
                Key("uptime", "number", "seconds", "how long it lived", False),
            ],
        ),
        _spec("hook_success", "A hook has answered, whatever the answer.", _HOOK, _TIME, then=[_GO, _TOOK]),
        _spec(
            "hook_failure", "A hook has raised an exception, or has not answered in time.", _HOOK, _TIME,
            Key("error", "text", "", "what went wrong", since="0.19"), then=[_GO, _TOOK],
        ),
    )
}


def problems(event: str, payload: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event, a line each; empty when it is as the table says."""
    spec = EVENTS.get(event)
    return [f"no event is called {event!r}"] if spec is None else spec.problems(payload)
