"""Loading a large module without those of its own imports that it hardly ever uses.

Circus runs for months on a small part of asyncio and pyzmq; some of what these load is for the use of others and takes
a megabyte. Called by whoever loads them for a program of ours; it must not know what the modules do.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from circus.system.reserve import with_reserve

__all__ = ["postponing"]


class _Postponed(ModuleType):
    """Stands in for a module, for those who imported it meanwhile, and loads it when they want something of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # questions of the import system, which are no use
            raise AttributeError(name)
        _withdraw(self)
        # It may be wanted to word an error, and that may be the lack of descriptors.
        value = getattr(with_reserve(importlib.import_module, self.__name__), name)
        setattr(self, name, value)
        return value


def _withdraw(stand_in: ModuleType) -> None:
    if sys.modules.get(stand_in.__name__) is stand_in:
        del sys.modules[stand_in.__name__]


@contextlib.contextmanager
def postponing(*names: str) -> Iterator[None]:
    """Within it, imports of these modules give a stand-in, which loads the module as soon as it is used.

    Afterwards everybody gets the modules themselves again. Those that are loaded already are left alone.

    :param names: modules of the standard library, not parts of packages.
    """
    stand_ins = [_Postponed(name) for name in names if name not in sys.modules]
    sys.modules.update((stand_in.__name__, stand_in) for stand_in in stand_ins)
    try:
        yield
    finally:
        for stand_in in stand_ins:
            _withdraw(stand_in)
