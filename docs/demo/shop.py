"""The workers of the shop that the manual's pictures show: they do nothing, believably, and cost next to no CPU."""

from __future__ import annotations

import json
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

SLICE = 0.2


def burn(share: float) -> None:
    """Use about that share of a core for a slice of time, and sleep for the rest of it."""
    end = time.perf_counter() + SLICE * share * random.uniform(0.4, 1.6)
    while time.perf_counter() < end:
        pass
    time.sleep(SLICE * (1 - min(share, 0.9)))


def say(level: str, text: str, **values: object) -> None:
    """A line of the log, as JSON."""
    print(json.dumps({"level": level, "msg": text, **values}), flush=True)


def web(room: bytearray) -> None:
    """Answers on the socket that it is handed."""
    listener = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
    while True:
        select.select([listener], [], [])
        try:
            connection = listener.accept()[0]
        except BlockingIOError:  # a sibling was quicker
            continue
        with connection:
            connection.settimeout(5)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
        took = random.randrange(4, 40)
        print(f"INFO  GET /api/v1/orders/{random.randrange(1000, 9999)} 200 {took}ms", flush=True)
        if random.random() < 0.04:
            print(f"WARNING slow query: {took * 30} ms in orders.list", file=sys.stderr, flush=True)
        burn(0.08)


def worker(room: bytearray) -> None:
    """Does jobs."""
    job = random.randrange(1000, 5000)
    while True:
        job += random.randrange(1, 7)
        for _ in range(random.randrange(3, 9)):
            burn(random.uniform(0.03, 0.2))
        if random.random() < 0.06:
            print(f"WARNING job {job}: timeout, tried again", flush=True)
        print(f"INFO  job {job} done in {random.uniform(0.4, 2):.2f} s", flush=True)


def images(room: bytearray) -> None:
    """Makes thumbnails; the third of them leaks."""
    made, limit = 0, 150 if sys.argv[-1] == "3" else 10**6
    cache = []
    while True:
        made += 1
        for _ in range(3):
            burn(0.08)
        if limit == 150:
            cache.append(bytearray(1 << 20))
        if made > limit:
            say("error", "cannot allocate thumbnail", cache=made)
            print("FATAL out of memory, giving up", file=sys.stderr, flush=True)
            sys.exit(70)
        say("info", "thumbnail made", cache=min(made, 200), file=f"img{made}.png")


def mailer(room: bytearray) -> None:
    """Cannot reach its server."""
    print(f"INFO  connecting to {sys.argv[-1]}", flush=True)
    time.sleep(12)
    print(
        'Traceback (most recent call last):\n  File "shop/mailer.py", line 41, in main\n'
        "    smtp = connect(config.host, config.port)\n"
        f"ConnectionRefusedError: [Errno 111] Connection refused: {sys.argv[-1]}",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    sys.exit(1)


def search(room: bytearray) -> None:
    """Holds an index in memory."""
    while True:
        burn(0.02)


ROLES: dict[str, tuple[Callable[[bytearray], None], int]] = {
    "web": (web, 24), "worker": (worker, 40), "images": (images, 8), "mailer": (mailer, 4), "search": (search, 90),
    "reports": (search, 1), "preview": (web, 1), "thumbnails": (search, 8),
}  # fmt: skip


def leave(*_: object) -> None:
    """What a graceful end takes."""
    time.sleep(random.uniform(0.2, 4))
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    run, size = ROLES[sys.argv[1]]
    run(bytearray(b"x") * (int(size * random.uniform(0.8, 1.3)) << 20))
