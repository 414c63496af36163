"""A background worker: does a little every second and tells of it on stdout, until SIGTERM."""

from __future__ import annotations

import os
import signal
import time

# Blocked, the signal waits until it is asked for: it never comes in the middle of something.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

number = 0
while signal.sigtimedwait({signal.SIGTERM}, float(os.environ.get("TICK", "1"))) is None:
    number += 1
    print(f"{time.strftime('%H:%M:%S')} tick {number}, load {os.getloadavg()[0]:.2f}", flush=True)
print(f"{time.strftime('%H:%M:%S')} asked to stop after {number} ticks", flush=True)
