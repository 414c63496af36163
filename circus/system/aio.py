"""Loading asyncio into the daemon without the TLS library it would bring along, and without its debugging aids.

``import ssl`` takes 4.5 MB and ten milliseconds in a process that never speaks TLS: ZeroMQ and pipes are all the
daemon's own loop serves. Where foreign code runs in the daemon (hooks, stream classes) it is loaded as usual, and
:func:`restore_tls` brings it in when such code arrives later. Nothing is masked for other importers of ``ssl``.

``inspect``, which has a callback that failed described, and ``locale``, for text of subprocesses, take 1.2 MB: they are
loaded when they are wanted.
"""

from __future__ import annotations

import sys
from typing import Any

from circus.system.postpone import postponing

_MODULES = ("base_events", "selector_events", "sslproto", "unix_events", "proactor_events")
_masked = False


def load_asyncio(*, tls: bool) -> Any:
    """The asyncio module, loaded now if it was not yet.

    :param tls: whether its TLS support may be needed; False saves memory and time, there and elsewhere.
    """
    global _masked
    if tls or "asyncio" in sys.modules or "ssl" in sys.modules:
        import asyncio

        return asyncio
    sys.modules["ssl"] = None  # type: ignore[assignment]  # asyncio takes the ImportError as "no TLS here"
    try:
        with postponing("inspect", "locale"):
            import asyncio
    finally:
        del sys.modules["ssl"]
    _masked = True
    return asyncio


def restore_tls() -> None:
    """Give asyncio its TLS support after all; does nothing when it has it."""
    global _masked
    if not _masked:
        return
    _masked = False
    import importlib
    import ssl

    for name in _MODULES:
        module = sys.modules.get(f"asyncio.{name}")
        if module is not None and getattr(module, "ssl", ssl) is None:
            module.ssl = ssl  # type: ignore[attr-defined]
    importlib.reload(sys.modules["asyncio.sslproto"])
