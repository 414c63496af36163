"""The commands circusctl knows, each loaded only when it is spoken.

Called on circusctl's way to its first answer: a one-shot command loads one command module out of all. Help
pages and completion read names and summaries from the static table.
"""

from __future__ import annotations

import sys

from circus.commands import SUMMARIES, find_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    class Commands(Protocol):
        """What circusctl needs of commands; ``get_commands()`` is one, :class:`Vocabulary` another."""

        def __contains__(self, name: object, /) -> bool: ...
        def __getitem__(self, name: str, /) -> Any: ...
        def __iter__(self) -> Iterator[str]: ...


#: What circusctl does by itself, without a daemon: word -> (module, class, summary).
ERRANDS: dict[str, tuple[str, str, str]] = {
    "import": ("circus.ctl.importing", "Import", "Import a configuration of Supervisor, foreman or pm2"),
}


class Vocabulary:
    """A read-only mapping: command word -> command, bundled ones and third-party ones imported by now."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __contains__(self, name: object) -> bool:
        return name in SUMMARIES or name in _third_party()

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = find_command(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*SUMMARIES, *_third_party()}))

    def __len__(self) -> int:
        return len({*SUMMARIES, *_third_party()})


class WithErrands(Vocabulary):
    """The same, and the errands of circusctl itself. Not for those who pass commands on, such as the web console."""

    def __contains__(self, name: object) -> bool:
        return name in ERRANDS or super().__contains__(name)

    def __getitem__(self, name: str) -> Any:
        if name not in ERRANDS or super().__contains__(name):
            return super().__getitem__(name)
        if name not in self._loaded:
            from importlib import import_module

            module, errand, _ = ERRANDS[name]
            self._loaded[name] = getattr(import_module(module), errand)()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*super().__iter__(), *ERRANDS}))

    def __len__(self) -> int:
        return len(list(iter(self)))


def _third_party() -> dict[str, Any]:
    """Commands defined elsewhere. Nobody can have defined one while the base module is not loaded."""
    base = sys.modules.get("circus.commands.base")
    known = getattr(base, "KNOWN_COMMANDS", ())
    return {command.name: command for command in known if command.name and command.name not in SUMMARIES}


def summary_of(commands: Commands, name: str) -> str:
    """The one-line summary of a command, without loading it if that can be avoided."""
    if isinstance(commands, Vocabulary) and name in SUMMARIES:
        return SUMMARIES[name][2]
    if isinstance(commands, WithErrands) and name in ERRANDS:
        return ERRANDS[name][2]
    return str(getattr(commands[name], "short", "") or "")
