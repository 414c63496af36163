"""The ``decr`` command: fewer processes for a watcher."""

from __future__ import annotations

from circus.commands.base import caused
from circus.commands.incrproc import IncrProc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DecrProc(IncrProc):
    """Decrement the number of processes in a watcher

    The oldest processes are stopped, the newest stay.

    Message
    -------

    ``nb`` is how many to take away, by default 1; below none it does not go. With ``waiting`` the reply comes
    when they have ended::

        {"command": "decr", "properties": {"name": "web", "nb": 2, "waiting": true}}

    Reply
    -----

    When waiting, ``numprocesses`` is the number the watcher is now meant to have::

        {"status": "ok", "time": 1795288292.0, "numprocesses": 2}

    A singleton watcher is left alone; the reply then has ``"singleton": true`` and the present number.

    Command line
    ------------

    ::

        $ circusctl decr NAME [NB] [--waiting]
    """

    name = "decr"

    def _resize(self, watcher: Any, nb: int, cause: str) -> Any:
        return caused(watcher.decr, cause)(nb)
