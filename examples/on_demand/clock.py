"""Tells the time to whoever connects, and ends when nobody has for a while (examples/on_demand.ini)."""

from __future__ import annotations

import argparse
import os
import select
import signal
import socket
import sys
import time


def main() -> None:
    """Serve until nobody comes, or until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="descriptor of a listening socket")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds without a connection after which to end")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))
    listening = socket.socket(fileno=options.fd)
    print(f"clock {os.getpid()} has been started", flush=True)
    while select.select([listening], [], [], options.idle)[0]:
        connection, address = listening.accept()
        with connection:
            connection.sendall(f"{time.ctime()}, says process {os.getpid()}\n".encode())
        print(f"clock {os.getpid()} answered {address[0]}", flush=True)
    print(f"clock {os.getpid()} ends: nobody came for {options.idle:g} s", flush=True)


if __name__ == "__main__":
    main()
