"""What the observers of services do about one that does not answer: say so, and restart its watcher, if that makes
sense.

Used by :mod:`circus.plugins.http_observer` and :mod:`circus.plugins.redis_observer`; knows neither protocol.
"""

from __future__ import annotations

from circus.base.logs import logger
from circus.plugins.base import CircusPlugin


def restart_watcher(plugin: CircusPlugin, watcher: str, option: str) -> bool:
    """Ask the daemon to restart a watcher, unless somebody stopped it: what is meant to be down is not broken.

    :param plugin: the plugin that asks, connected.
    :param watcher: name of the watcher.
    :param option: the option that names it, for the log.
    :return: whether the restart was asked for.
    :raises CallError: the daemon does not answer.
    """
    status = plugin.call("status", name=watcher)["status"]
    if status == "error":
        logger.error("%s: there is no watcher %r, which %s says to restart", plugin.name, watcher, option)
        return False
    if status in ("stopped", "stopping"):
        logger.info("%s: %s is %s, and is left so", plugin.name, watcher, status)
        return False
    logger.warning("%s: restarting %s", plugin.name, watcher)
    plugin.cast("restart", name=watcher)
    return True


def without_password(url: str) -> str:
    """A URL as it may be logged: nothing of it that lets somebody in."""
    from urllib.parse import urlsplit  # kept off the start path of circusd

    try:
        parts = urlsplit(url)
    except ValueError:
        return "the URL"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
