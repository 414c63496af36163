"""Which managed sockets a watcher mentions.

Read by the reload plan, by on_demand and by whoever hands sockets down; it knows no socket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def socket_references(config: Mapping[str, Any]) -> set[str]:
    """Names of managed sockets that a watcher's cmd, args, env or stdin_socket mention (lower case)."""
    args = config.get("args") or ""
    texts = [config.get("cmd") or "", *([args] if isinstance(args, str) else map(str, args))]
    texts += [str(config.get("shell_args") or ""), *map(str, (config.get("env") or {}).values())]
    names = {name.lower().rstrip(".") for text in texts for name in _SOCKET_NAME.findall(text)}
    names |= {name.lower() for text in texts for name in _SOCKET_SHORT.findall(text)}
    if config.get("stdin_socket"):
        names.add(str(config["stdin_socket"]).lower())
    return names


_SOCKET_NAME = re.compile(r"circus\.sockets\.([\w.\-]+)", re.IGNORECASE)
_SOCKET_SHORT = re.compile(r"\$\{socket:([\w.\-]+)\}", re.IGNORECASE)
