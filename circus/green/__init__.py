"""Circus inside a gevent program: the same classes, with sockets and signals that let other greenlets run.

Needs gevent; without it, importing this package is a plain ImportError. Nothing else of Circus imports it.
"""

from __future__ import annotations

from typing import Any

import gevent  # the missing package shall be named before anything else fails

from circus.embedding import ArbiterHandler as _ArbiterHandler

__all__ = ["ArbiterHandler", "get_arbiter"]


class ArbiterHandler(_ArbiterHandler):
    """Makes green arbiters; see :class:`circus.ArbiterHandler`."""

    def _get_arbiter_klass(self, background: bool) -> Any:
        """:raises NotImplementedError: for an arbiter in the background, which would need a second hub."""
        if background:
            raise NotImplementedError(
                "a green arbiter runs on the hub of its caller, not in a background thread"
            )
        from circus.green.arbiter import Arbiter

        return Arbiter


get_arbiter = ArbiterHandler()
