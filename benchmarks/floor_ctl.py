"""The least client process: import zmq, one DEALER, one ``status`` round trip, print.

python floor_ctl.py ENDPOINT
"""

from __future__ import annotations

import json
import sys

import zmq


def main() -> None:
    """Ask for the status of every watcher and print one line for each."""
    socket = zmq.Context().socket(zmq.DEALER)
    socket.linger = 0
    socket.connect(sys.argv[1])
    socket.send(b'{"id": "1", "command": "status", "properties": {}}')
    if not socket.poll(5000):
        raise SystemExit("no answer")
    for name, state in json.loads(socket.recv())["statuses"].items():
        print(f"{name}: {state}")


if __name__ == "__main__":
    main()
