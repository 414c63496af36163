"""Is ready only after a while. Usage: slow_start.py SECONDS [READY [STARTED]]; STARTED appears at once."""

import time

from ready import announce, arguments, sleep

seconds, ready, started = arguments(3)
announce(started)
time.sleep(float(seconds))
announce(ready)
sleep()
