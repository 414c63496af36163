"""How the programs of this directory say that they are ready: a file that appears whole, or a line on a
descriptor.

Not a program itself. Tests start the others with ``harness.child_command``; they are plain scripts for any
Python and use nothing but the standard library, in as few modules as possible, because tests start many of
them.
"""

import os
import signal
import sys


def arguments(count):
    """The first ``count`` arguments of the program, None for each that is missing."""
    given = sys.argv[1 : count + 1]
    return given + [None] * (count - len(given))


def announce(path, text=None):
    """Make a file with ``text`` (default: this process's pid) appear at once with its whole content.

    A path of the form ``fd:N`` writes the text and a newline to descriptor N instead. None: say nothing.
    """
    if not path:
        return
    text = str(os.getpid()) if text is None else text
    if path.startswith("fd:"):
        os.write(int(path[3:]), text.encode() + b"\n")
        return
    path = path.replace("PID", str(os.getpid()))
    with open(path + ".part", "w") as file:
        file.write(text)
    os.rename(path + ".part", path)


def append(path, text):
    """Add a line to a file; lines of several processes do not mix."""
    with open(path, "a") as file:
        file.write(text + "\n")


def sleep():
    """Until a signal ends the process."""
    while True:
        signal.pause()
