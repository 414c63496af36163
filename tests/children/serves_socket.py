"""Accepts on an inherited listening socket and answers with its pid. Usage: serves_socket.py FD [READY
[COUNT]].

After COUNT connections (default: never) it exits 0.
"""

import os
import socket

from ready import announce, arguments

fd, ready, count = arguments(3)
listening = socket.socket(fileno=int(fd))
listening.setblocking(True)
announce(ready)
served = 0
while not count or served < int(count):
    connection, _ = listening.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
    served += 1
