"""Sends heart beats by UDP until SIGUSR1 makes it silent; it lives on. Usage: beats.py PORT [READY]."""

import os
import signal
import socket
import time

from ready import announce, arguments, sleep

port, ready = arguments(2)
silent = []
signal.signal(signal.SIGUSR1, lambda *_: silent.append(1))
announce(ready)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as beats:
    while not silent:
        beats.sendto(f"{os.getpid()};{time.time()}".encode(), ("127.0.0.1", int(port)))
        time.sleep(0.05)
sleep()
