"""A background worker: does a little every second and tells of it on stdout, until SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
import time

stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda signum, frame: stopped.set())

number = 0
while not stopped.wait(float(os.environ.get("TICK", "1"))):
    number += 1
    print(f"{time.strftime('%H:%M:%S')} tick {number}, load {os.getloadavg()[0]:.2f}", flush=True)
print(f"{time.strftime('%H:%M:%S')} asked to stop after {number} ticks", flush=True)
