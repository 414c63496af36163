"""Ignores stop signals; only SIGKILL ends it. Usage: ignores_term.py [READY [SIGNAL,SIGNAL...]] (default: TERM)."""

import signal

from ready import announce, arguments, sleep

ready, names = arguments(2)
for name in (names or "TERM").split(","):
    signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)
announce(ready)
sleep()
