"""Where the tests' files are, and command lines for the programs in tests/children."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
CHILDREN = TESTS / "children"

#: Bytes that the name of the directory for temporary files may have. A Unix socket's name has room for 107 (macOS:
#: 103); below that directory the tests need some 90 of them.
ROOM = 12


def child_command(name: str, *arguments: object, python: str = sys.executable) -> str:
    """The command line, quoted for an ini file's ``cmd``, of a program in tests/children.

    :param name: the file's name without ``.py``.
    :param arguments: turned to text.
    :param python: the interpreter; isolated and without site packages, for a fast start.
    """
    program = CHILDREN / f"{name}.py"
    assert program.is_file(), f"no such child: {program}"
    return shlex.join([python, "-S", "-E", "-B", str(program), *map(str, arguments)])


def short_enough(directory: str) -> str:
    """A directory for temporary files with a name that leaves room for those of sockets: this one, or ``/tmp``.

    Where ``/tmp`` cannot be written to it is this one, come what may.
    """
    if len(os.fsencode(directory)) <= ROOM or not os.access("/tmp", os.W_OK | os.X_OK):
        return directory
    return "/tmp"


def socket_name(path: Path) -> str:
    """The shorter name of a Unix socket's file, absolute or from here: sun_path has room for 107 bytes."""
    return min(str(path), os.path.relpath(path), key=len)
