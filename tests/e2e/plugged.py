"""What the end-to-end tests of plugins share: a daemon with one plugin, whose log is the daemon's."""

from __future__ import annotations

from pathlib import Path

from harness import Daemon, eventually


def plugged(directory: Path, use: str, options: dict[str, object], watchers: str, circus: str = "") -> Daemon:
    """A daemon with a ``[plugin:it]``.

    :param use: class of the plugin.
    :param watchers: the other sections.
    :param circus: more options of ``[circus]``.
    """
    lines = "".join(f"{key} = {value}\n" for key, value in options.items())
    # Debug: what plugins log is otherwise sent to the null device.
    ini = f"[circus]\ndebug = True\n{circus}\n[plugin:it]\nuse = {use}\n{lines}\n{watchers}\n"
    return Daemon(directory, ini, variables={"PYTHONPATH": f"{directory}:{Path(__file__).parents[2]}"})


def plugin_pid(daemon: Daemon) -> int:
    """The pid of the plugin's process, once there is one."""
    return eventually(lambda: daemon.pids("plugin:it"))[0]


def lines_with(daemon: Daemon, text: str) -> list[str]:
    """The lines of the daemon's log, and so of the plugin's, that have ``text`` in them."""
    return [line for line in daemon.log.splitlines() if text in line]
