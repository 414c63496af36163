"""Hands jobs to workers: a queue in memory, behind a Unix socket that circusd holds (examples/crypto_pool).

Everybody speaks lines of JSON. Who wants work done sends ``{"id": 7, "text": "...", "rounds": 20000}`` for each job
and gets ``{"id": 7, "digest": "...", "by": 4711}`` for each, in any order. A worker sends ``{"worker": 4711}`` once;
then it gets a job, sends the answer, gets the next one.

A job belongs to a worker until it is answered. If the worker goes away before, killed or not, the job goes back to the
head of the queue: none is lost, and one may be done twice.
"""

from __future__ import annotations

import asyncio
import collections
import json
import os
import signal
import socket
import sys
from typing import Any, NamedTuple


class Job(NamedTuple):
    """What is to be done, and for whom."""

    message: dict[str, Any]
    customer: asyncio.StreamWriter


class Broker:
    """Jobs that wait, and workers that wait for jobs. Never both."""

    def __init__(self) -> None:
        self.jobs: collections.deque[Job] = collections.deque()
        self.idle: collections.deque[asyncio.Future[Job]] = collections.deque()
        self.connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def offer(self, job: Job, *, again: bool = False) -> None:
        """Give a job to a worker that waits, or queue it; one that was given out before comes first."""
        while self.idle:
            worker = self.idle.popleft()
            if not worker.done():
                worker.set_result(job)
                return
        if again:
            self.jobs.appendleft(job)
        else:
            self.jobs.append(job)

    async def take(self, answer: asyncio.Task[bytes]) -> Job | None:
        """The next job for a worker; None when it leaves before there is one."""
        while self.jobs:
            job = self.jobs.popleft()
            if not job.customer.is_closing():  # nobody waits for it any more
                return job
        waiting: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self.idle.append(waiting)
        await asyncio.wait({waiting, answer}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        waiting.cancel()
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; the first line tells whether it is a worker's."""
        task = asyncio.current_task()
        assert task is not None
        self.connections[task] = writer
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if "worker" in message:
                    await self.employ(reader, writer)
                    return
                self.offer(Job(message, writer))
        except (ConnectionError, ValueError) as error:
            print(f"broker {os.getpid()}: {error}", flush=True)
        finally:
            writer.close()
            del self.connections[task]

    async def employ(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep a worker busy until it leaves."""
        while True:
            # Begun before there is a job: an idle worker says nothing, so what comes then is its end.
            answer = asyncio.create_task(reader.readline())
            job = await self.take(answer)
            if job is None:
                return
            writer.write(json.dumps(job.message).encode() + b"\n")
            try:
                line = await answer
            except ConnectionError:
                line = b""
            if not line.endswith(b"\n"):
                self.offer(job, again=True)
                return
            if not job.customer.is_closing():
                job.customer.write(line)

    async def close(self) -> None:
        """Hang up on everybody."""
        for writer in self.connections.values():
            writer.close()
        if self.connections:
            await asyncio.wait(self.connections)


async def main(fd: int) -> None:
    """Serve until SIGTERM. What is queued then, its senders send again to the next broker."""
    broker, stop = Broker(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listening = socket.socket(fileno=fd)
    listening.setblocking(False)
    server = await asyncio.start_server(broker.serve, sock=listening)
    print(f"broker {os.getpid()} is open", flush=True)
    await stop.wait()
    server.close()
    await broker.close()
    print(f"broker {os.getpid()} leaves {len(broker.jobs)} jobs to those who sent them", flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
