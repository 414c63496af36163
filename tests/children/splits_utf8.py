"""Prints text in pieces that cut characters and lines. Usage: splits_utf8.py TEXT SIZE [READY].

TEXT, with ``\\n`` understood, goes out SIZE bytes at a time; the next piece goes only when the reader has
taken the one before (where the system can tell), so that each piece is a read of its own.
"""

import fcntl
import os
import struct
import termios
import time

from ready import announce, arguments, sleep

text, size, ready = arguments(3)
data = text.replace("\\n", "\n").encode()


def unread():
    try:
        return struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, b"\0\0\0\0"))[0]
    except OSError:  # not a pipe
        return 0


for start in range(0, len(data), int(size)):
    os.write(1, data[start : start + int(size)])
    while unread():
        time.sleep(0.001)
announce(ready)
sleep()
