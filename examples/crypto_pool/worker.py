"""Computes slow hashes for the broker, one after the other (examples/crypto_pool). SIGTERM ends it between two jobs."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sys


class Worker:
    """A worker and what it is doing."""

    def __init__(self) -> None:
        self.busy = self.stopping = False
        signal.signal(signal.SIGTERM, self.asked_to_stop)

    def asked_to_stop(self, signum: int, frame: object) -> None:
        """End now, or after the job in hand."""
        self.stopping = True
        if not self.busy:
            sys.exit()

    def run(self, path: str) -> None:
        """Work for one broker after the other; while there is none, circusd keeps our connection waiting."""
        while True:
            with socket.socket(socket.AF_UNIX) as broker:
                try:
                    broker.connect(path)
                    self.work(broker)
                except ConnectionError:
                    pass  # the broker went away; the job went with it to its sender

    def work(self, broker: socket.socket) -> None:
        """Do jobs until the broker goes away."""
        with broker.makefile("rwb", buffering=0) as line:
            line.write(b'{"worker": %d}\n' % os.getpid())
            while job := line.readline():
                self.busy = True
                line.write(json.dumps(answer(json.loads(job))).encode() + b"\n")
                self.busy = False
                if self.stopping:
                    sys.exit()


def answer(job: dict[str, object]) -> dict[str, object]:
    """The work: a hash that takes its time on purpose, as those of passwords do."""
    digest = hashlib.pbkdf2_hmac("sha256", str(job["text"]).encode(), b"salt", int(str(job["rounds"])))
    return {"id": job["id"], "digest": digest.hex(), "by": os.getpid()}


if __name__ == "__main__":
    Worker().run(sys.argv[1])
