"""Compatibility: looking things up in the dict of ``get_config``, as methods of the arbiter (spec library.md 2).

A base class of :class:`circus.arbiter.Arbiter`; Circus itself compares whole configurations in
:mod:`circus.model.plan`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ConfigLookups:
    """The look-ups; they change neither the arbiter nor the dict."""

    def get_watcher_config(self, config: Mapping[str, Any], name: str) -> Any:
        """The section of a watcher in ``config``, None when there is none."""
        return next((entry for entry in config.get("watchers", ()) if entry["name"] == name), None)

    def get_plugin_config(self, config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
        """The options of the watcher that runs a plugin of ``config``, ``cmd`` included; None when there is none.

        :raises ImportError: for a class that cannot be found.
        """
        from circus.model.plugincmd import plugin_command
        from circus.synthetic import plugin_options

        found = next((entry for entry in config.get("plugins", ()) if entry["name"] == name), None)
        return None if found is None else plugin_options(self, found, plugin_command)

    @classmethod
    def get_arbiter_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """What ``config`` says of the daemon itself: all but watchers, plugins and sockets."""
        return {key: value for key, value in config.items() if key not in ("watchers", "plugins", "sockets")}
