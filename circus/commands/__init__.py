"""The words of the control protocol: one module and one class per command (spec wire.md 5, library.md 8).

``circusctl`` and the controller look commands up here. Importing this package loads no command: the table
below is all that help pages and completion need, :func:`find_command` loads the one module that is asked for,
and :func:`get_commands` loads them all.

Submodules called ``list`` and ``set`` become attributes of this package, so the builtins of those names
cannot be used in this file.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from circus.commands.base import Command

__all__ = ["COMMAND_NAMES", "SUMMARIES", "error", "errors", "find_command", "get_commands", "ok"]

#: Command word -> (module, class, summary). The summary repeats the first line of the class docstring.
SUMMARIES: dict[str, tuple[str, str, str]] = {
    "add": ("addwatcher", "AddWatcher", "Add a watcher"),
    "decr": ("decrproc", "DecrProc", "Decrement the number of processes in a watcher"),
    "dstats": ("dstats", "Daemontats", "Get circusd stats"),
    "events": ("events", "Events", "Tell the last events"),
    "get": ("get", "Get", "Get the value of specific watcher options"),
    "globaloptions": ("globaloptions", "GlobalOptions", "Get the arbiter options"),
    "incr": ("incrproc", "IncrProc", "Increment the number of processes in a watcher"),
    "ipython": ("ipythonshell", "IPythonShell", "Create shell into circusd process"),
    "kill": ("kill", "Kill", "Kill a specific process"),
    "list": ("list", "List", "Get list of watchers or processes in a watcher"),
    "listen": ("listen", "Listen", "Subscribe to a watcher event"),
    "listsockets": ("listsockets", "ListSockets", "Get the list of sockets"),
    "numprocesses": ("numprocesses", "NumProcesses", "Get the number of processes"),
    "numwatchers": ("numwatchers", "NumWatchers", "Get the number of watchers"),
    "options": ("options", "Options", "Get the value of all options for a watcher"),
    "quit": ("quit", "Quit", "Quit the arbiter immediately"),
    "reload": ("reload", "Reload", "Reload the arbiter or a watcher"),
    "reloadconfig": ("reloadconfig", "ReloadConfig", "Reload the configuration file"),
    "restart": ("restart", "Restart", "Restart the arbiter or a watcher"),
    "rm": ("rmwatcher", "RmWatcher", "Remove a watcher"),
    "set": ("set", "Set", "Set a watcher option"),
    "signal": ("sendsignal", "Signal", "Send a signal"),
    "start": ("start", "Start", "Start the arbiter or a watcher"),
    "stats": ("stats", "Stats", "Get process infos"),
    "status": ("status", "Status", "Get the status of a watcher or all watchers"),
    "stop": ("stop", "Stop", "Stop watchers"),
    "tail": ("tail", "Tail", "Show the last output of watchers"),
    "why": ("why", "Why", "Tell why a watcher is as it is"),
}

#: The command words, sorted.
COMMAND_NAMES: tuple[str, ...] = tuple(sorted(SUMMARIES))


def find_command(name: str) -> Command:
    """A fresh instance of the command called ``name`` (lower case), loading no other command.

    A third-party command that has been imported is found as well, and replaces a bundled one of that name.

    :raises KeyError: no command has that name.
    """
    from circus.commands.base import KNOWN_COMMANDS

    for known in reversed(KNOWN_COMMANDS):
        if known.name == name and not _is_bundled(known):
            return known()
    module, class_name, _summary = SUMMARIES[name]
    return _load(module, class_name)()


def get_commands() -> dict[str, Command]:
    """Command word -> fresh instance, for every bundled command and every third-party one imported by now."""
    from circus.commands.base import KNOWN_COMMANDS

    found = {name: _load(module, class_name)() for name, (module, class_name, _) in SUMMARIES.items()}
    for known in KNOWN_COMMANDS:
        if known.name is not None and not _is_bundled(known):
            found[known.name] = known()
    return found


def _is_bundled(known: type[Command]) -> bool:
    entry = SUMMARIES.get(known.name or "")
    return entry is not None and (known.__module__, known.__name__) == (f"{__name__}.{entry[0]}", entry[1])


def _load(module: str, class_name: str) -> type[Command]:
    from importlib import import_module

    found: type[Command] = getattr(import_module(f"{__name__}.{module}"), class_name)
    return found


def __getattr__(name: str) -> object:
    """``ok``, ``error`` and ``errors`` on first use: ``circusctl --help`` needs none of them."""
    if name in ("ok", "error"):
        from circus.model import messages

        globals().update(ok=messages.ok, error=messages.error)
        return globals()[name]
    if name == "errors":
        from importlib import import_module

        return import_module(f"{__name__}.errors")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
