"""Lives until a file appears, then ends. Usage: exits_on_file.py FILE [READY [CODE]]."""

import os
import time

from ready import announce, arguments

file, ready, code = arguments(3)
announce(ready)
while not os.path.exists(file):
    time.sleep(0.01)
raise SystemExit(int(code or 0))
