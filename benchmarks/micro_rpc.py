"""What one request costs in the controller, as a ratio to a bare server that echoes JSON.

Both servers run in child processes on ``ipc`` endpoints and take turns: the controller of Circus with a fake
arbiter on a real asyncio loop, and the least a Python server can do (raw ROUTER, epoll, ``json``). Run it
from the root::

    $ python -m benchmarks.micro_rpc [--turns N] [--seconds S]
"""

from __future__ import annotations

import argparse
import json
import os
import select
import statistics
import sys
import tempfile
import time
from multiprocessing import get_context
from typing import Any

PIDS = list(range(1000, 1175))
REQUESTS = {
    "numwatchers": {"command": "numwatchers", "properties": {}},
    "list 175": {"command": "list", "properties": {"name": "web"}},
}
IN_FLIGHT = 32


def serve_floor(endpoint: str) -> None:
    """Echo with JSON: the reply has the shape of that of Circus."""
    import zmq

    sock = zmq.Context().socket(zmq.ROUTER)
    sock.bind(endpoint)
    epoll = select.epoll()
    epoll.register(sock.getsockopt(zmq.FD), select.EPOLLIN)
    while True:
        while sock.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            client, payload = sock.recv(), sock.recv()
            request = json.loads(payload)
            reply: dict[str, Any] = {"status": "ok", "time": time.time()}
            if request["command"] == "list":
                reply["pids"] = PIDS
            else:
                reply["numwatchers"] = 1
            reply["id"] = request.get("id")
            sock.send(client, zmq.SNDMORE)
            sock.send(json.dumps(reply).encode())
        epoll.poll(1.0)


class FakeWatcher:
    """A watcher of 175 processes."""

    name = "web"

    def active_pids(self) -> list[int]:
        return list(PIDS)


class FakeArbiter:
    """An arbiter of one watcher."""

    def __init__(self) -> None:
        self.watchers = [FakeWatcher()]

    def numwatchers(self) -> int:
        return len(self.watchers)

    def find(self, name: str) -> FakeWatcher:
        return {"web": self.watchers[0]}[name.lower()]


def serve_controller(endpoint: str) -> None:
    """The controller as circusd runs it."""
    import asyncio

    from circus.controller import Controller

    loop = asyncio.new_event_loop()
    Controller(endpoint, None, None, loop, FakeArbiter(), check_delay=-1).start()
    loop.run_forever()


class Client:
    """A raw DEALER, so that the client costs both servers the same."""

    def __init__(self, endpoint: str) -> None:
        import zmq

        self._zmq = zmq
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.connect(endpoint)
        self._socket.linger = 0

    def round_trips(self, message: bytes, seconds: float) -> list[float]:
        """Times of single requests, in microseconds."""
        found = []
        end = time.perf_counter() + seconds
        while (before := time.perf_counter()) < end:
            self._socket.send(message)
            self._socket.recv()
            found.append((time.perf_counter() - before) * 1e6)
        return found

    def throughput(self, message: bytes, seconds: float) -> float:
        """Requests per second with 32 of them on their way."""
        for _ in range(IN_FLIGHT):
            self._socket.send(message)
        count, before = 0, time.perf_counter()
        while time.perf_counter() - before < seconds:
            for _ in range(IN_FLIGHT):
                self._socket.recv()
                self._socket.send(message)
                count += 1
        elapsed = time.perf_counter() - before
        for _ in range(IN_FLIGHT):
            self._socket.recv()
        return count / elapsed

    def close(self) -> None:
        self._context.destroy(linger=0)


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(turns: int, seconds: float) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over the turns: server -> request -> figure -> value."""
    figures: dict[str, dict[str, dict[str, list[float]]]] = {}
    servers = {"floor": serve_floor, "circus": serve_controller}
    with tempfile.TemporaryDirectory() as directory:
        running = {}
        for name, serve in servers.items():
            endpoint = f"ipc://{directory}/{name}"
            process = get_context("spawn").Process(target=serve, args=(endpoint,), daemon=True)
            process.start()
            running[name] = process, Client(endpoint)
        try:
            for _process, client in running.values():
                client.round_trips(b'{"command": "numwatchers"}', 0.1)  # the server has to come up first
            for _turn in range(turns + 1):
                for name, (process, client) in running.items():
                    for title, request in REQUESTS.items():
                        message = json.dumps({**request, "id": "0123456789abcdef" * 2}).encode()
                        found = _one_turn(process.pid, client, message, seconds)
                        if _turn:  # the first one warms up
                            into = figures.setdefault(name, {}).setdefault(title, {})
                            for figure, value in found.items():
                                into.setdefault(figure, []).append(value)
        finally:
            for process, client in running.values():
                client.close()
                process.kill()
                process.join()
    return {
        name: {
            title: {figure: statistics.median(values) for figure, values in of_title.items()}
            for title, of_title in of_server.items()
        }
        for name, of_server in figures.items()
    }


def _one_turn(pid: int, client: Client, message: bytes, seconds: float) -> dict[str, float]:
    times = client.round_trips(message, seconds)
    cuts = statistics.quantiles(times, n=100)
    before = cpu_seconds(pid)
    rate = client.throughput(message, seconds)
    used = cpu_seconds(pid) - before
    cpu = used / (rate * seconds) * 1e6
    return {"p50 us": cuts[49], "p99 us": cuts[98], "piped /s": rate, "piped cpu us": cpu}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    args = parser.parse_args()
    figures = measure(args.turns, args.seconds)
    print(f"{'request':14}{'figure':16}{'floor':>10}{'circus':>10}{'ratio':>8}")
    for title in REQUESTS:
        for figure, floor in figures["floor"][title].items():
            ours = figures["circus"][title][figure]
            print(f"{title:14}{figure:16}{floor:10.1f}{ours:10.1f}{ours / floor:7.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
