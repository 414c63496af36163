"""Circus: a process and socket manager.

The face of the package. Everything here is found on first use (PEP 562), so that ``circusctl`` pays neither for
logging nor for the arbiter, and ``circusd`` starts its first worker before it loads the rest.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "1.0.0.dev0"
#: The release of Mozilla's Circus whose contract this package keeps.
compat_version = "0.19.0"

__all__ = ["ArbiterHandler", "compat_version", "get_arbiter", "logger"]


def __getattr__(name: str) -> Any:
    if name == "logger":
        from circus.base.logs import logger

        globals()["logger"] = logger
        return logger
    if name in ("get_arbiter", "ArbiterHandler"):
        from circus.embedding import ArbiterHandler, get_arbiter

        globals().update(get_arbiter=get_arbiter, ArbiterHandler=ArbiterHandler)
        return globals()[name]
    raise AttributeError(f"module 'circus' has no attribute {name!r}")
