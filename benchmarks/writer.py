"""A process that logs: waits for a byte of GO, writes its share to stdout in equal chunks, and starts over.

    python -I -S writer.py READY GO SHARE CHUNK LINE

READY and GO are FIFOs: one byte is written to READY before each round, one byte is taken from GO to begin.
SHARE is the number of bytes of a round (a multiple of CHUNK), CHUNK the size of each write(2), LINE the
length of the text lines that chunks are made of, newline included. The same writer serves every system.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Write rounds until killed."""
    ready = os.open(sys.argv[1], os.O_WRONLY)
    go = os.open(sys.argv[2], os.O_RDONLY)
    share, size, length = map(int, sys.argv[3:6])
    line = b"2026-01-01 12:00:00 worker[%07d] GET /a/path?with=arguments 200 " % os.getpid()
    chunk = (line.ljust(length, b".")[: length - 1] + b"\n") * (size // length)
    write = os.write
    while True:
        write(ready, b".")
        if not os.read(go, 1):
            return
        for _ in range(share // size):
            sent = write(1, chunk)
            while sent < size:  # a signal, or a pipe that was made non-blocking
                sent += write(1, chunk[sent:])


if __name__ == "__main__":
    main()
