"""The floor of the statistics stream: floor.py, and once a second a ``pread`` of each kept descriptor and a message.

The same messages as those of circusd-stats, key for key; what is not in ``/proc/<pid>/stat`` is null or 0 here. It is
one process: that supervises and measures. Started by floor.py when its CONFIG has a ``stats_endpoint``.
"""

from __future__ import annotations

import json
import os
import time

import zmq
from floor import PAGE, TICKS, Floor

PERIOD = 1.0
UNREAD = {
    "fds": None, "read_bytes": None, "write_bytes": None, "ctx_switches": None, "children_count": 0,
    "children_cpu": 0.0, "children_rss": 0,
}


class StreamFloor(Floor):
    """A floor that publishes statistics."""

    def __init__(self, config: dict[str, str]) -> None:
        super().__init__(config)
        self.stream = self.context.socket(zmq.PUB)
        self.stream.bind(config["stats_endpoint"])

    def run(self) -> None:
        """Run until told to quit."""
        for wid in range(1, self.count + 1):
            self.spawn(wid)
        poll = self.epoll.poll
        due = time.monotonic() + PERIOD
        while True:
            left = due - time.monotonic()
            if left <= 0:
                self.tell()
                due += PERIOD
                continue
            for fd, _events in poll(left):
                if fd == self.router_fd:
                    self.answer()
                else:
                    self.collect(fd)

    def tell(self) -> None:
        """One message for each worker, then one about all, then one about ourselves."""
        now = time.time()
        infos = self.stats()
        send = self.stream.send
        prefix = f"stat.{self.name}".encode()
        cpu = rss = 0.0
        mem = age = 0.0
        for worker in self.workers.values():
            info = infos[worker.pid]
            del info["started"]
            pages, vms, threads = worker.numbers
            info.update(
                UNREAD, rss=pages * PAGE, vms=vms, threads=threads, cpu_time=worker.ticks / TICKS, subtopic=worker.pid,
                name=None, state="running", restarts=0, uptime=now - worker.started, watcher=self.name, dropped=0,
                time=now,
            )
            cpu, rss, mem, age = cpu + info["cpu"], rss + info["rss"], mem + info["mem"], max(age, info["age"])
            send(prefix + b".%d" % worker.pid, zmq.SNDMORE)
            send(json.dumps(info).encode())
        count = len(infos)
        whole = {
            "pid": list(infos), "cpu": cpu / max(count, 1), "mem": mem, "age": age, "rss": rss, "cpu_sum": cpu,
            "count": count, "time": now, "restarts": 0, "status": "active", "numprocesses": self.count, "dropped": 0,
            "watcher": self.name,
        }
        send(prefix, zmq.SNDMORE)
        send(json.dumps(whole).encode())
        send(b"stat.circus", zmq.SNDMORE)
        send(json.dumps({"pid": [os.getpid()], "cpu": 0.0, "mem": 0.0, "age": age, "time": now}).encode())
