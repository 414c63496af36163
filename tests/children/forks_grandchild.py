"""Forks children that fork children. Usage: forks_grandchild.py READY [DEPTH [MODE]].

READY then holds all pids, the eldest first, separated by blanks. DEPTH is the number of generations below
this process (default 2). MODE: ``plain``; ``ignore``: the descendants ignore SIGTERM; ``leave``: this process
exits once all are born, so that they become orphans; ``session``: each descendant starts a session of its
own.
"""

import os
import signal

from ready import announce, arguments, sleep

ready, depth, mode = arguments(3)
reading, writing = os.pipe()
pids = [os.getpid()]
for _ in range(int(depth or 2)):
    pid = os.fork()
    if pid:
        break
    if mode == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "session":
        os.setsid()
    pids.append(os.getpid())
else:
    # The youngest knows them all.
    os.write(writing, " ".join(map(str, pids)).encode() + b"\n")
if len(pids) == 1:
    with os.fdopen(reading) as pipe:
        announce(ready, pipe.readline().strip())
    if mode == "leave":
        raise SystemExit(0)
sleep()
