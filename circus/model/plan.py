"""What a reloadconfig will do, worked out before anything is touched.

:func:`make_plan` compares the configuration that runs with the one that was read (both in the dict form of
``circus.config.get_config``) and gives an ordered, printable list of steps that changes as little as possible, or
the reasons why it cannot be done. :mod:`circus.reconfigure` applies it. Rules: spec wire.md 6, library.md 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any

from circus.base.environ import ENV_EXCEPTIONS
from circus.base.record import Record
from circus.model.socketnames import socket_references

#: Watchers and sockets the daemon makes for itself.
OWN_WATCHERS = frozenset({"circushttpd", "circusd-stats"})
OWN_SOCKETS = frozenset({"circushttpd"})
#: ``[circus]`` options that take effect without a restart of the daemon.
LIVE_OPTIONS = frozenset({"check_delay", "warmup_delay", "loglevel", "logoutput", "debug_gc", "fqdn_prefix"})
_NOT_GLOBAL = frozenset({"watchers", "plugins", "sockets"})
_ABSENT = object()


class Act(IntEnum):
    """What a step does; the value is its place in the order."""

    SET_GLOBAL = 0
    REMOVE_WATCHER = 1
    REMOVE_SOCKET = 2
    REPLACE_SOCKET = 3
    ADD_SOCKET = 4
    REPLACE_WATCHER = 5
    RESIZE_WATCHER = 6
    ADD_WATCHER = 7
    RESTART_DAEMON = 8


class Change(Record):
    """One reason for a step: an option that differs, or a remark.

    :param option: its name; empty for a remark.
    :param old: new: what it said before and what it will say, as Python writes it; None where it is not there. Both are
        None for an option whose values may be secret.
    :param note: the remark.
    """

    option: str = ""
    old: str | None = None
    new: str | None = None
    note: str = ""

    def __str__(self) -> str:
        if self.note:
            return self.note
        if self.old is None and self.new is None:
            return f"{self.option} changes"
        if self.new is None:
            return f"{self.option} removed"
        if self.old is None:
            return f"{self.option} = {self.new}"
        return f"{self.option}: {self.old} -> {self.new}"

    def told(self) -> dict[str, str]:
        """What of it is known, for the wire."""
        return {key: value for key, value in zip(self._fields, self, strict=True) if value}


class Step(Record):
    """One thing to do.

    :param act: what.
    :param name: to which watcher, socket or option.
    :param old: new: its configuration before and after (None where there is none).
    :param changes: the reasons.
    """

    act: Act
    name: str
    old: Any = None
    new: Any = None
    changes: tuple[Change, ...] = ()

    @property
    def verb(self) -> str:
        """What is done, in words."""
        return self.act.name.lower().replace("_", " ")

    @property
    def why(self) -> str:
        """The reasons, for people."""
        if self.act in (Act.SET_GLOBAL, Act.RESIZE_WATCHER):  # which option it is, is clear
            return ", ".join(f"{change.old} -> {change.new}" for change in self.changes)
        options = ", ".join(str(change) for change in self.changes if change.option)
        return "; ".join([*([options] if options else ()), *(change.note for change in self.changes if change.note)])

    def __str__(self) -> str:
        return f"{self.verb} {self.name}" + (f" ({self.why})" if self.why else "")

    def told(self) -> dict[str, Any]:
        """The step for programs: what is done, to whom, and each change."""
        return {"act": self.verb, "name": self.name, "changes": [change.told() for change in self.changes]}


class Plan(Record):
    """Steps in the order in which they are applied, and what speaks against applying any of them."""

    steps: tuple[Step, ...] = ()
    problems: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The plan for people, a line each, what speaks against it first; one line says when there is nothing to do."""
        return [*(f"problem: {problem}" for problem in self.problems), *map(str, self.steps)] or ["nothing to do"]

    def told(self) -> dict[str, Any]:
        """The plan for the wire: ``plan`` is for people, ``steps`` and ``problems`` are for programs."""
        return {"plan": self.lines(), "steps": [step.told() for step in self.steps], "problems": [*self.problems]}

    @property
    def restarts_daemon(self) -> bool:
        """True when only a full restart can bring the new configuration about."""
        return any(step.act is Act.RESTART_DAEMON for step in self.steps)


class _Sections(Record):
    old: dict[str, Mapping[str, Any]]
    new: dict[str, Mapping[str, Any]]


def make_plan(old: Mapping[str, Any], new: Mapping[str, Any], sizes: Mapping[str, int] | None = None) -> Plan:
    """Compare two configurations.

    :param old: the one that is in force.
    :param new: the one to come.
    :param sizes: the watchers there are now, by name, with their numbers of processes (default: those of ``old``).
        Some may have come or gone by command since the file was read.
    """
    globals_changed = sorted(
        key for key in {*old, *new} - _NOT_GLOBAL if old.get(key, _ABSENT) != new.get(key, _ABSENT)
    )
    heavy = [key for key in globals_changed if key not in LIVE_OPTIONS]
    if heavy:
        changes = tuple(_set(key, old, new) for key in heavy)
        return Plan((Step(Act.RESTART_DAEMON, "the daemon", old, new, changes),), tuple(_dangling(new)))
    found = [Step(Act.SET_GLOBAL, key, old.get(key), new.get(key), (_set(key, old, new),)) for key in globals_changed]
    sockets = _by_name(old.get("sockets", ()), new.get("sockets", ()), OWN_SOCKETS, fold=True)
    found += _compare_sockets(sockets)
    moved = {step.name for step in found if step.act is Act.REPLACE_SOCKET}
    watchers = _by_name(
        [*old.get("watchers", ()), *old.get("plugins", ())],
        [*new.get("watchers", ()), *new.get("plugins", ())],
        OWN_WATCHERS,
    )
    if sizes is not None:
        for name in [*watchers.old]:
            if name not in sizes:
                del watchers.old[name]
        for name in sizes:
            if name not in OWN_WATCHERS:
                watchers.old.setdefault(name, {"name": name})
    found += _compare_watchers(watchers, moved, set(sockets.new), sizes or {})
    return Plan(tuple(sorted(found, key=lambda step: step.act)), tuple(_dangling(new)))


def _by_name(
    old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]], skip: frozenset[str], *, fold: bool = False
) -> _Sections:
    def names(items: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        named = ((str(item.get("name", "")), item) for item in items)
        return {name.lower() if fold else name: item for name, item in named if name.lower() not in skip}

    return _Sections(names(old), names(new))


def _compare_sockets(sections: _Sections) -> list[Step]:
    found = []
    for name in sorted({*sections.old, *sections.new}):
        old, new = sections.old.get(name), sections.new.get(name)
        if old is None:
            found.append(Step(Act.ADD_SOCKET, name, None, new))
        elif new is None:
            found.append(Step(Act.REMOVE_SOCKET, name, old, None))
        elif _differences(old, new):
            found.append(Step(Act.REPLACE_SOCKET, name, old, new, _changes(old, new)))
    return found


def _compare_watchers(
    sections: _Sections, moved: set[str], sockets: set[str], sizes: Mapping[str, int]
) -> list[Step]:
    found = []
    for name in sorted({*sections.old, *sections.new}):
        old, new = sections.old.get(name), sections.new.get(name)
        if new is None:
            found.append(Step(Act.REMOVE_WATCHER, name, old, None, (Change(note="no longer in the file"),)))
            continue
        if old is None:
            found.append(Step(Act.ADD_WATCHER, name, None, new))
            continue
        changed = _differences(old, new)
        hit = sorted(_sockets_used(new, sockets) & moved)
        if changed == {"numprocesses"} and not hit:
            size = _set("numprocesses", {"numprocesses": sizes.get(name, old.get("numprocesses"))}, new)
            found.append(Step(Act.RESIZE_WATCHER, name, old, new, (size,)))
        elif changed or hit:
            notes = (Change(note=f"its socket {socket} changes") for socket in hit)
            found.append(Step(Act.REPLACE_WATCHER, name, old, new, (*_changes(old, new), *notes)))
    return found


def _sockets_used(config: Mapping[str, Any], sockets: set[str]) -> set[str]:
    named = socket_references(config)
    return named or (set(sockets) if config.get("use_sockets") is True else set())


def _dangling(new: Mapping[str, Any]) -> Iterable[str]:
    """Watchers of the new configuration that use a socket it does not have."""
    sockets = {str(item.get("name", "")).lower() for item in new.get("sockets", ())} | OWN_SOCKETS
    users = {
        str(item["name"]) for item in new.get("watchers", ()) if socket_references(item) - sockets
    }
    if users:
        yield f"Watchers {users!r} uses a socket which is deleted"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    keys = {*old, *new} - {"__name__"}
    return {key for key in keys if _comparable(key, old.get(key, _ABSENT)) != _comparable(key, new.get(key, _ABSENT))}


def _comparable(key: str, value: Any) -> Any:
    if key == "env" and isinstance(value, Mapping):
        return {name: text for name, text in value.items() if name not in ENV_EXCEPTIONS}
    return value


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(
        Change(key)  # values of the environment may be secret
        if key == "env"
        else Change(key, repr(old[key]) if key in old else None, repr(new[key]) if key in new else None)
        for key in sorted(_differences(old, new))
    )


def _set(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    """The change of an option that always has a value."""
    return Change(key, repr(old.get(key)), repr(new.get(key)))
