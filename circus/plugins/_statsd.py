"""Older name of :mod:`circus.plugins.statsd`, for configuration files that still say it."""

from __future__ import annotations

from circus.plugins.statsd import StatsdClient, StatsdEmitter

__all__ = ["StatsdClient", "StatsdEmitter"]
