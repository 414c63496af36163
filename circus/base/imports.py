"""From a dotted name in a configuration to the object it names: hooks, plugins, stream classes.

Callers show the error to the user, who has to find out why a name of his own cannot be found; so it says how
far the import came.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from types import ModuleType
from typing import Any


class ImportStringError(ImportError):
    """A dotted name that leads to nothing.

    :param import_name: the name, as written.
    :param exception: the error that stopped the search.
    """

    def __init__(self, import_name: str, exception: BaseException) -> None:
        self.import_name, self.exception = import_name, exception
        super().__init__(self._explanation())

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self.import_name!r}, {self.exception!r})>"

    def __reduce__(self) -> tuple[type, tuple[str, BaseException]]:
        return type(self), (self.import_name, self.exception)

    def _explanation(self) -> str:
        lines = [
            f"import_string() failed for {self.import_name!r}. Possible reasons are:",
            "",
            "- the module is not in a directory of sys.path (PYTHONPATH adds some: that of circusd, for hooks and",
            "  streams that in the env of the watcher as well);",
            "- a package on the way has no __init__.py;",
            "- another module of the same name comes first in sys.path;",
            "- the module has no class, function or variable of that name;",
            "",
            "How far the import came:",
            "",
            *(f"- {step}" for step in _trace(self.import_name)),
            "",
            "Original exception:",
            "",
            f"{type(self.exception).__name__}: {self.exception}",
        ]
        return "\n".join(lines)


def resolve_name(import_name: str, silent: bool = False, reload: bool = False) -> Any:
    """The object named ``package.module.attribute`` or ``package.module:attribute``, or a module by its name.

    :param silent: give None for a name that leads to nothing, instead of raising.
    :param reload: run the module's code again before taking the object from it.
    :raises ImportStringError: when the name leads to nothing. Other errors that the imported code raises pass
        through.
    """
    module_name, colon, attribute = import_name.partition(":")
    try:
        if colon:
            return _walk(_import(module_name, reload), attribute)
        return _find(import_name, reload)
    except (ImportError, AttributeError) as error:
        if silent:
            return None
        raise ImportStringError(import_name, error) from error


def _find(dotted: str, reload: bool) -> Any:
    """The attribute of a module first, then the module itself, as ``from parent import name`` does."""
    parent, _, last = dotted.rpartition(".")
    if not parent:
        return _import(dotted, reload)
    try:
        found = _import(parent, reload)
    except ModuleNotFoundError as error:
        if error.name is None or not (parent + ".").startswith(error.name + "."):
            raise  # the module exists; something that it imports does not
        if "." not in parent:
            raise
        found = _find(parent, reload)  # perhaps a class: package.module.Class.method
    found = _step(found, last)
    return importlib.reload(found) if reload and isinstance(found, ModuleType) else found


def _step(found: Any, name: str) -> Any:
    """The attribute, or the module of a package that nobody imported yet."""
    if not hasattr(found, name) and isinstance(found, ModuleType) and hasattr(found, "__path__"):
        return importlib.import_module(f"{found.__name__}.{name}")
    return getattr(found, name)


def _import(name: str, reload: bool) -> ModuleType:
    if not name or name.startswith("."):
        raise ImportError(f"{name!r} is not the name of a module")
    known = reload and name in sys.modules
    module = importlib.import_module(name)
    return importlib.reload(module) if known else module


def _walk(found: Any, attributes: str) -> Any:
    for attribute in filter(None, attributes.split(".")):
        found = _step(found, attribute)
    return found


def _trace(import_name: str) -> list[str]:
    """One line per part of the name: where it was found, up to the first that was not."""
    steps, dotted = [], ""
    found: Any = None
    for part in import_name.replace(":", ".").split("."):
        dotted = f"{dotted}.{part}" if dotted else part
        if found is not None and hasattr(found, part):
            found = getattr(found, part)
        else:
            found = sys.modules.get(dotted)
        if found is None:
            origin = _origin(dotted)
            steps.append(f"{dotted!r} is in {origin!r}, but failed." if origin else f"{dotted!r} not found.")
            break
        where = getattr(found, "__file__", None)
        steps.append(f"{dotted!r} found in {where!r}." if where else f"{dotted!r} found.")
    return steps


def _origin(name: str) -> str | None:
    """The file of a module that is not loaded, if there is one; its parent is loaded or there is none."""
    parent = sys.modules.get(name.rpartition(".")[0])
    path = getattr(parent, "__path__", None)
    if "." in name and path is None:
        return None
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    return spec.origin if spec else None
