"""Prints when it is told to stop, and then ends. Usage: prints_last_words.py [READY [BYTES [SECONDS]]].

On SIGTERM it waits SECONDS (default 0), writes BYTES (default 0) of padding and the line ``last words``, and
exits 3.
"""

import os
import signal
import time

from ready import announce, arguments, sleep

ready, size, seconds = arguments(3)


def say(signum, frame):
    time.sleep(float(seconds or 0))
    data = b"x" * int(size or 0) + b"last words\n"
    while data:
        data = data[os.write(1, data) :]
    os._exit(3)


signal.signal(signal.SIGTERM, say)
announce(ready)
sleep()
