"""Closes its stdout and stderr and goes on living. Usage: closes_pipes.py [READY [TEXT]]; TEXT is printed before."""

import os

from ready import announce, arguments, sleep

ready, text = arguments(2)
if text:
    os.write(1, text.encode() + b"\n")
os.close(1)
os.close(2)
announce(ready)
sleep()
