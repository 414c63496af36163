"""Writes as fast as it can. Usage: floods_stdout.py BYTES [READY [LINE_LENGTH [FD]]]; BYTES 0: for ever.

Lines are numbered, so that a lost or torn one shows. READY appears when all is written.
"""

import os

from ready import announce, arguments, sleep

wanted, ready, length, fd = arguments(4)
wanted, length, fd = int(wanted), int(length or 100), int(fd or 1)
written = number = 0
while not wanted or written < wanted:
    chunk = b"".join(b"%0*d\n" % (length - 1, number + each) for each in range(100))
    number += 100
    view = memoryview(chunk)
    while view:
        sent = os.write(fd, view)
        view = view[sent:]
        written += sent
announce(ready, str(written))
sleep()
