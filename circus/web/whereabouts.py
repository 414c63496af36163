"""Where consoles are served at this moment, as their state directory tells: so that a login link names a right address.

A running console keeps a file with its address in ``running`` of its state directory, and holds a lock on it
(``flock(2)``), which the kernel releases however the console ends: a file that nobody holds is left over. Written by
the program, read by ``--login-link``; knows nothing of links.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from circus.base.logs import logger

_DIRECTORY = "running"
#: The longest address that is believed, in bytes.
_LONGEST = 4096


@contextlib.contextmanager
def announced(state: Path, address: str) -> Iterator[None]:
    """Tell where this console is served, as long as the block lasts. That it cannot be written harms nobody.

    :param state: the state directory.
    :param address: what a browser on this machine calls, such as ``http://localhost:8081/``.
    """
    directory = state / _DIRECTORY
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=directory)  # mode 600, closed in programs that are started
    except OSError as error:
        logger.debug("cannot write %s: %s", directory, error.strerror)
        yield
        return
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(address.encode())
        except OSError as error:
            logger.debug("cannot tell our address in %s: %s", directory, error.strerror)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)


def addresses(state: Path) -> list[str]:
    """Where consoles with that state directory are served now; the one started last comes first."""
    found = []
    with contextlib.suppress(OSError):
        for path in (state / _DIRECTORY).iterdir():
            with contextlib.suppress(OSError), path.open("rb") as file:
                told, began = file.read(_LONGEST).decode(errors="replace"), os.fstat(file.fileno()).st_mtime_ns
                if told and _is_held(file.fileno()):
                    found.append((began, told))
                elif told:
                    path.unlink()
    return [address for _, address in sorted(found, reverse=True)]


def _is_held(descriptor: int) -> bool:
    """Whether somebody else holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
