"""Sends jobs to the pool and waits for all answers: ``submit.py SOCKET JOBS [ROUNDS]``.

It tells every second how far it is. If the broker goes away it sends what is not answered yet to the next one. The exit
status is 0 when every job was answered.
"""

from __future__ import annotations

import json
import socket
import sys
import time


class Batch:
    """Jobs and who answered them."""

    def __init__(self, count: int, rounds: int) -> None:
        self.open = {number: {"id": number, "text": f"secret {number}", "rounds": rounds} for number in range(count)}
        self.total, self.twice = count, 0
        self.workers: set[int] = set()
        self.began = self.told = time.monotonic()

    def run(self, path: str) -> None:
        """Bring all jobs to their end."""
        while self.open:
            with socket.socket(socket.AF_UNIX) as broker:
                try:
                    broker.connect(path)
                    self.ask(broker)
                except ConnectionError:
                    print("the broker went away; the rest goes to the next one", flush=True)

    def ask(self, broker: socket.socket) -> None:
        """Send what is open, take answers until there are no more."""
        broker.sendall(b"".join(json.dumps(job).encode() + b"\n" for job in self.open.values()))
        with broker.makefile("rb") as answers:
            while self.open:
                line = answers.readline()
                if not line.endswith(b"\n"):
                    raise ConnectionResetError
                answer = json.loads(line)
                self.workers.add(answer["by"])
                if self.open.pop(answer["id"], None) is None:
                    self.twice += 1
                self.tell()

    def tell(self) -> None:
        """A line, once a second and at the end."""
        now = time.monotonic()
        if now - self.told > 1 or not self.open:
            self.told = now
            done = self.total - len(self.open)
            rate = done / (now - self.began)
            print(f"{done} of {self.total} done by {len(self.workers)} workers, {rate:.0f} per second", flush=True)


def main(path: str, count: str, rounds: str = "20000") -> None:
    """Send them."""
    batch = Batch(int(count), int(rounds))
    batch.run(path)
    print(f"sent {batch.total}, lost {len(batch.open)}, answered twice {batch.twice}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
