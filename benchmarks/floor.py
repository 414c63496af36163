"""The floor: the least that a supervisor in CPython with pyzmq can do, and still answer what Circus answers.

One ``posix_spawn`` and one pidfd per worker, one epoll, one raw ROUTER and one PUB socket. No options, no
hooks, no log capture, no policy. It exists to be divided by: run.py starts it in turns with Circus and prints
the ratio. It must not import anything of ``circus``, and it must not cheat: replies and events have the same
keys as those of Circus (for the commands numwatchers, list, stats, status, stop and quit).

    python floor.py CONFIG

CONFIG holds ``key = value`` lines: endpoint, pubsub_endpoint, name, cmd (split at blanks), numprocesses; with
stats_endpoint it also publishes statistics (floor_stats.py).
"""

from __future__ import annotations

import json
import os
import pwd
import select
import signal
import sys
import time

import zmq

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def read_config(path: str) -> dict[str, str]:
    """The settings of a ``key = value`` file."""
    with open(path, encoding="utf-8") as lines:
        pairs = (line.partition("=") for line in lines if "=" in line)
        return {key.strip(): value.strip() for key, _, value in pairs}


def human(size: float) -> str:
    """A byte count the way Circus writes it: ``123B``, ``1.45M``."""
    if size < 1024:
        return f"{size:.0f}B"
    for unit in "KMGTPEZ":
        size /= 1024
        if size < 1024:
            return f"{size:.2f}{unit}"
    return f"{size / 1024:.2f}Y"


class Worker:
    """One live process: its identity, and what the stats of the last request left behind."""

    __slots__ = ("create_time", "numbers", "pid", "sampled_at", "started", "stat_fd", "ticks", "wid")

    def __init__(self, pid: int, wid: int, started: float) -> None:
        self.pid = pid
        self.wid = wid
        self.started = started
        self.stat_fd = -1
        self.ticks = 0
        self.sampled_at = 0.0
        self.create_time = 0.0
        #: Pages of resident memory, bytes of virtual memory, threads.
        self.numbers = (0, 0, 1)


class Floor:
    """The daemon: one watcher, its workers by pidfd, two sockets, one loop."""

    def __init__(self, config: dict[str, str]) -> None:
        self.name = config["name"]
        self.argv = config["cmd"].split()
        self.count = int(config["numprocesses"])
        self.workers: dict[int, Worker] = {}
        self.wanted = True
        self.quitting = False
        self.waiters: list[tuple[bytes, object]] = []
        events = ("spawn", "reap", "kill", "stop")
        self.topics = {event: f"watcher.{self.name}.{event}".encode() for event in events}
        self.epoll = select.epoll()
        self.context = zmq.Context()
        self.pub = self.context.socket(zmq.PUB)
        self.pub.bind(config["pubsub_endpoint"])
        self.router = self.context.socket(zmq.ROUTER)
        self.router.bind(config["endpoint"])
        self.router_fd: int = self.router.FD
        self.epoll.register(self.router_fd, select.EPOLLIN)
        self.host: tuple[float, int, str] | None = None

    # -- processes -------------------------------------------------------------------------------------------

    def spawn(self, wid: int) -> None:
        started = time.time()
        pid = os.posix_spawn(self.argv[0], self.argv, {}, setsid=True)
        pidfd = os.pidfd_open(pid)
        self.epoll.register(pidfd, select.EPOLLIN)
        self.workers[pidfd] = Worker(pid, wid, started)
        self.publish("spawn", {"process_pid": pid, "time": started})

    def collect(self, pidfd: int) -> None:
        """A pidfd became readable: take the status, tell it, and replace the worker if it is still wanted."""
        worker = self.workers.pop(pidfd)
        code = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        # Closing is not enough: a child between vfork and the end of its exec still holds a copy, so that the
        # dead pidfd would go on being told, under a number that the next pidfd has taken over.
        self.epoll.unregister(pidfd)
        os.close(pidfd)
        if worker.stat_fd >= 0:
            os.close(worker.stat_fd)
        self.publish("reap", {"process_pid": worker.pid, "time": time.time(), "exit_code": code})
        if self.wanted:
            self.spawn(worker.wid)
        elif not self.workers:
            self.stopped()

    def stop(self) -> None:
        self.wanted = False
        for worker in self.workers.values():
            os.kill(worker.pid, signal.SIGTERM)
            self.publish("kill", {"process_pid": worker.pid, "time": time.time()})
        if not self.workers:
            self.stopped()

    def stopped(self) -> None:
        self.publish("stop", {"time": time.time()})
        for identity, message_id in self.waiters:
            self.reply(identity, message_id, {} if self.quitting else {"info": None})
        self.waiters.clear()
        if self.quitting:
            self.context.destroy(linger=1000)
            raise SystemExit(0)
        self.answer()  # sending may have taken the edge of the descriptor: look once more

    def terminate(self, *_signal: object) -> None:
        self.quitting = True
        self.stop()

    # -- wire ------------------------------------------------------------------------------------------------

    def publish(self, event: str, payload: dict[str, object]) -> None:
        self.pub.send_multipart((self.topics[event], json.dumps(payload).encode()))

    def reply(self, identity: bytes, message_id: object, body: dict[str, object]) -> None:
        answer = {"status": "ok", "time": time.time(), **body, "id": message_id}
        self.router.send(identity, zmq.SNDMORE)
        self.router.send(json.dumps(answer).encode())

    def answer(self) -> None:
        """Answer all that has arrived, until the socket is empty: its descriptor tells edges only."""
        receive = self.router.recv
        while True:
            try:
                identity = receive(zmq.NOBLOCK)
            except zmq.Again:
                return
            request = json.loads(receive())
            properties = request.get("properties") or {}
            command = request["command"]
            if command in ("stop", "quit"):
                self.quitting = command == "quit"
                if properties.get("waiting"):
                    self.waiters.append((identity, request.get("id")))
                else:
                    self.reply(identity, request.get("id"), {})
                self.stop()
            else:
                self.reply(identity, request.get("id"), self.query(command, properties))

    def query(self, command: str, properties: dict[str, object]) -> dict[str, object]:
        if command == "numwatchers":
            return {"numwatchers": 1}
        if command == "list":
            if properties.get("name"):
                return {"pids": [worker.pid for worker in self.workers.values()]}
            return {"watchers": [self.name]}
        if command == "status":
            state = "active" if self.wanted else "stopping" if self.workers else "stopped"
            return {"status": state} if properties.get("name") else {"statuses": {self.name: state}}
        if command == "stats":
            return {"infos": {self.name: self.stats()}}
        return {"status": "error", "reason": f"unknown command: {command!r}", "tb": None, "errno": 2}

    # -- stats -----------------------------------------------------------------------------------------------

    def stats(self) -> dict[int, dict[str, object]]:
        """Every worker's numbers from its kept ``/proc/<pid>/stat``; what cannot change is looked up once."""
        if self.host is None:
            memory = os.sysconf("SC_PHYS_PAGES")
            with open("/proc/stat", encoding="ascii") as lines:
                boot = next(float(line.split()[1]) for line in lines if line.startswith("btime"))
            self.host = (boot, memory, pwd.getpwuid(os.getuid()).pw_name)
        boot, memory, username = self.host
        now = time.time()
        command = os.path.basename(self.argv[0])
        infos = {}
        for worker in self.workers.values():
            if worker.stat_fd < 0:
                worker.stat_fd = os.open(f"/proc/{worker.pid}/stat", os.O_RDONLY)
            text = os.pread(worker.stat_fd, 1024, 0)
            field = text[text.rindex(b")") + 2 :].split()
            ticks = int(field[11]) + int(field[12])
            if worker.sampled_at:
                cpu = round(100 * (ticks - worker.ticks) / TICKS / (now - worker.sampled_at), 1)
            else:
                worker.create_time = boot + int(field[19]) / TICKS
                cpu = 0.0
            worker.ticks = ticks
            worker.sampled_at = now
            minutes, seconds = divmod(ticks / TICKS, 60)
            pages = int(field[21])
            worker.numbers = (pages, int(field[20]), int(field[17]))
            infos[worker.pid] = {
                "mem_info1": human(pages * PAGE),
                "mem_info2": human(int(field[20])),
                "cpu": cpu,
                "mem": round(100 * pages / memory, 3),
                "ctime": f"{minutes:.0f}:{seconds:05.2f}",
                "pid": worker.pid,
                "username": username,
                "nice": int(field[16]),
                "create_time": worker.create_time,
                "age": now - worker.started,
                "cmdline": command,
                "children": [],
                "started": worker.started,
                "wid": worker.wid,
            }
        return infos

    # -- loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        for wid in range(1, self.count + 1):
            self.spawn(wid)
        router_fd = self.router_fd
        poll = self.epoll.poll
        while True:
            for fd, _events in poll():
                if fd == router_fd:
                    self.answer()
                else:
                    self.collect(fd)


def main() -> None:
    """Run until told to quit."""
    config = read_config(sys.argv[1])
    if "stats_endpoint" in config:
        from floor_stats import StreamFloor

        daemon: Floor = StreamFloor(config)
    else:
        daemon = Floor(config)
    signal.signal(signal.SIGTERM, daemon.terminate)
    daemon.run()


if __name__ == "__main__":
    main()
