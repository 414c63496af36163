"""Uses much of something. Usage: eats.py memory|cpu|nothing [WID [FORK]].

Only the worker with that CIRCUS_WID does, others use nothing; with FORK a child of it does, and the worker nothing.
"""

import os
import time

from ready import arguments, sleep

what, wid, fork = arguments(3)
eats = wid is None or os.environ.get("CIRCUS_WID") == wid
if eats and fork:
    eats = os.fork() == 0
if not eats:
    while True:  # children are waited for, so that their ends are seen
        try:
            os.wait()
        except ChildProcessError:
            sleep()
if what == "memory":
    eaten = bytearray(120 << 20)  # zeroed, and so really there
    eaten[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * len(range(0, len(eaten), os.sysconf("SC_PAGE_SIZE")))
end = time.monotonic() + 60  # never longer than a test
while what == "cpu" and time.monotonic() < end:
    pass
sleep()
