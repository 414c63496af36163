"""Plugins: programs of their own that hear the daemon's events and talk back to it.

Users derive from :class:`CircusPlugin`; circusd runs ``from circus import plugins;plugins.main()`` for each
``[plugin:...]`` section. A plugin knows the daemon only through its two endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping

from circus.base.imports import resolve_name
from circus.model.plugincmd import decode_config as _str2cfg
from circus.model.plugincmd import encode_config as _cfg2str
from circus.model.plugincmd import plugin_command
from circus.plugins.base import CircusPlugin

__all__ = ["CircusPlugin", "_cfg2str", "_str2cfg", "get_plugin_cmd", "main"]


def get_plugin_cmd(
    config: Mapping[str, object],
    endpoint: str,
    pubsub: str,
    check_delay: float,
    ssh_server: str | None,
    debug: bool = False,
    loglevel: str | None = None,
    logoutput: str | None = None,
) -> str:
    """The command line that runs a plugin, after a look whether its class can be imported.

    Arguments, units and defaults are those of :func:`circus.model.plugincmd.plugin_command`; ``config`` is
    not changed.

    :raises ImportError: ``config["use"]`` cannot be imported.
    :raises KeyError: ``config`` has no ``use``.

    Source: spec plugins-hooks-streams.md 1.2.
    """
    resolve_name(str(config["use"]))
    return plugin_command(config, endpoint, pubsub, check_delay, ssh_server, debug, loglevel, logoutput)


def main() -> None:
    """Run the program ``circus-plugin``: see :func:`circus.plugins.runner.main`."""
    # circusd imports this package to see that a plugin's class exists; it runs none.
    from circus.plugins.runner import main as run_program

    run_program()
