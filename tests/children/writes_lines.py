"""Writes numbered lines to stdout, and tells how long that took.

    writes_lines.py PREFIX COUNT PAUSE LENGTH PER_WRITE [GO [DONE]]

COUNT 0: for ever. PAUSE: seconds between two writes. LENGTH: bytes of a line, newline included; 0 for what is needed.
PER_WRITE: lines in one write. GO: waits for this file before it begins. DONE: a file for the number of seconds.
Afterwards it stays.
"""

import os
import sys
import time

import ready


def main():
    prefix, count, pause, length, per_write = sys.argv[1:6]
    count, pause, length, per_write = int(count), float(pause), int(length), int(per_write)
    go, done = [*sys.argv[6:], None, None][:2]
    while go and not os.path.exists(go):
        time.sleep(0.005)
    began = time.monotonic()
    number = 0
    while not count or number < count:
        lines = [f"{prefix} {n}" for n in range(number, number + per_write)]
        block = "".join(line.ljust(length - 1, ".") + "\n" for line in lines).encode()
        while block:
            block = block[os.write(1, block) :]
        number += per_write
        if pause:
            time.sleep(pause)
    if done:
        ready.announce(done, str(time.monotonic() - began))
    ready.sleep()


main()
