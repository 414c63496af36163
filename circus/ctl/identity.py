"""What circusctl says of itself with each request: it becomes part of the cause of what follows.

Called on the way of every command, so it loads next to nothing. It is informative only, never a permission.
"""

from __future__ import annotations

import os

_known: str | None = None


def caller() -> str:
    """``circusctl root@host pid 123``; with sudo, also who is behind it."""
    global _known
    if _known is None:
        who = f"circusctl {_user()}@{_host()} pid {os.getpid()}"
        behind = os.environ.get("SUDO_USER")
        if behind:
            who += f" for {behind}"
        _known = "".join(character for character in who if character.isprintable())[:200]
    return _known


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, AttributeError, KeyError):  # no such system, or a user without an entry
        return os.environ.get("USERNAME") or (str(os.getuid()) if hasattr(os, "getuid") else "unknown")


def _host() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "unknown")
