"""A request as the line of ``circusctl`` that makes the same one: shown with every action, to copy.

Pure. What the command line has no word for is left out (``childpid``, and options of ``add``, which take a second
line).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER
from circus.exc import CircusError
from circus.model.options import WATCHER

Properties = Mapping[str, Any]


def circusctl_line(endpoint: str, ssh: str | None, message: Mapping[str, Any]) -> str:
    """The line, or lines, for a request.

    :param endpoint: the control endpoint of the daemon.
    :param ssh: the ssh server in between.
    """
    command, properties = str(message["command"]), message.get("properties") or {}
    words = ["circusctl"]
    if endpoint != DEFAULT_ENDPOINT_DEALER:
        words += ["--endpoint", endpoint]
    if ssh:
        words += ["--ssh", ssh]
    spell = _SPELT.get(command, _plain)
    return "\n".join(shlex.join([*words, *each]) for each in spell(command, properties))


def _named(properties: Properties, *keys: str) -> list[str]:
    """Positional arguments; one that looks like an option stands behind ``--``."""
    words = [str(properties[key]) for key in keys if properties.get(key) is not None]
    return ["--", *words] if any(word.startswith("-") for word in words) else words


def _switches(properties: Properties, *names: str) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name in names if properties.get(name)]


def _plain(command: str, properties: Properties) -> list[list[str]]:
    return [[command, *_switches(properties, "waiting"), *_named(properties, "name")]]


def _matched(command: str, properties: Properties) -> list[list[str]]:
    method, name = properties.get("match", "glob"), str(properties.get("name", ""))
    # Without any character of a pattern, the default compares whole names, too.
    says = ["--match", method] if method == "regex" or (method == "simple" and any(c in name for c in "*?[")) else []
    return [[command, *_switches(properties, "waiting"), *says, *_named(properties, "name")]]


def _reload(command: str, properties: Properties) -> list[list[str]]:
    terminate = ["--terminate"] if not properties.get("graceful", True) else []
    return [[command, *_switches(properties, "waiting", "sequential"), *terminate, *_named(properties, "name")]]


def _resized(command: str, properties: Properties) -> list[list[str]]:
    return [[command, *_switches(properties, "waiting"), *_named(properties, "name", "nb")]]


def _signal(command: str, properties: Properties) -> list[list[str]]:
    return [[command, *_switches(properties, "children", "recursive"), *_named(properties, "name", "pid", "signum")]]


def _kill(command: str, properties: Properties) -> list[list[str]]:
    more: list[str] = []
    for key in ("signum", "graceful_timeout"):
        if properties.get(key) is not None:
            more += [f"--{key}", str(properties[key])]
    return [[command, *_switches(properties, "waiting"), *more, *_named(properties, "name", "pid")]]


def _remove(command: str, properties: Properties) -> list[list[str]]:
    return [[command, *_switches(properties, "waiting", "nostop"), *_named(properties, "name")]]


def _reloadconfig(command: str, properties: Properties) -> list[list[str]]:
    return [[command, *_switches(properties, "waiting", "dry_run")]]


def _set(command: str, properties: Properties) -> list[list[str]]:
    words = [str(properties["name"])]
    for key, value in (properties.get("options") or {}).items():
        words += [key, option_text(key, value)]
    switches = _switches(properties, "waiting")
    return [[command, *switches, *(["--"] if any(word.startswith("-") for word in words) else []), *words]]


def _add(command: str, properties: Properties) -> list[list[str]]:
    name, options = str(properties["name"]), dict(properties.get("options") or {})
    cmd = str(properties["cmd"])
    args = properties.get("args")
    if args:
        cmd = f"{cmd} {args if isinstance(args, str) else shlex.join(map(str, args))}"
    start = bool(properties.get("start"))
    later = start and bool(options)
    dashes = ["--"] if name.startswith("-") or cmd.startswith("-") else []
    lines = [[command, *(["--start"] if start and not later else []), *dashes, name, cmd]]
    if options:
        lines += _set("set", {"name": name, "options": options})
    if later:
        lines.append(["start", *dashes, name])
    return lines


def option_text(key: str, value: Any) -> str:
    """The value of an option as ``circusctl set`` takes it."""
    option = WATCHER.find(key)
    if isinstance(value, str) or option is None:
        return str(value)
    try:
        return option.kind.render(value)
    except (CircusError, AttributeError, TypeError, ValueError):
        return str(value)  # it is refused anyway


_SPELT: dict[str, Callable[[str, Properties], list[list[str]]]] = {
    "start": _matched, "stop": _matched, "restart": _matched, "reload": _reload, "incr": _resized, "decr": _resized,
    "signal": _signal, "kill": _kill, "rm": _remove, "reloadconfig": _reloadconfig, "set": _set, "add": _add,
}  # fmt: skip
