"""Writes down the signals it gets. Usage: catches_hup.py TRACE [READY [SIGNAL,SIGNAL...]] (default: HUP).

Each caught signal adds a line ``PID NAME`` to the file TRACE; other signals have their usual effect.
"""

import os
import signal

from ready import announce, append, arguments, sleep

trace, ready, names = arguments(3)


def note(signum, frame):
    append(trace, f"{os.getpid()} {signal.Signals(signum).name}")


for name in (names or "HUP").split(","):
    signal.signal(getattr(signal, "SIG" + name), note)
announce(ready)
sleep()
