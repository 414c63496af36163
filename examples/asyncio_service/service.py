"""A line service on asyncio: it sends each line back in capitals. Two sockets lead to it, a port and a file.

circusd hands the sockets down as systemd would (``listen_fds = True``, see sd_listen_fds(3)), so nothing here knows of
circusd, and the program runs under both. On SIGTERM it takes no more connections, finishes the lines it has, says
goodbye to who is connected, and ends. (examples/asyncio_service/asyncio_service.ini)
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Mapping

#: Where the descriptors of sd_listen_fds(3) begin.
FIRST = 3
ME = f"worker {os.environ.get('CIRCUS_WID', '?')}"


def inherited_sockets(environment: Mapping[str, str]) -> dict[str, socket.socket]:
    """The listening sockets that were handed down, by name; none if they are meant for another process."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return {}
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    found = {name: socket.socket(fileno=fd) for fd, name in enumerate(names, FIRST)}
    for each in found.values():
        each.setblocking(False)
    return found


class Service:
    """What is connected, and whether it is to end."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._conversations: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            while not self.stopping.is_set():
                line = asyncio.create_task(reader.readline())
                # Waiting for a line is over when the service is to end; working on one is not.
                await asyncio.wait({line, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not line.done():
                    line.cancel()
                    break
                if not line.result():
                    return
                writer.write(await self.answer(line.result()))
                await writer.drain()
            writer.write(b"goodbye\n")
        except (ConnectionError, ValueError) as error:  # it hung up, or sent a line without an end
            print(f"{ME}: {error}", flush=True)
        finally:
            stopping.cancel()
            self._conversations.discard(task)
            writer.close()

    async def answer(self, line: bytes) -> bytes:
        """The work: here it takes a tenth of a second and no thought."""
        await asyncio.sleep(0.1)
        return line.upper()

    async def run(self, sockets: Mapping[str, socket.socket]) -> None:
        """Serve until SIGTERM."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stopping.set)
        servers = [await asyncio.start_server(self.talk, sock=each) for each in sockets.values()]
        print(f"{ME} serves {', '.join(sockets)}", flush=True)
        await self.stopping.wait()
        for server in servers:
            server.close()  # this process takes no more; the socket stays open in circusd, and what comes waits there
        if self._conversations:
            await asyncio.wait(self._conversations)
        print(f"{ME} has finished", flush=True)


def main() -> None:
    """Find the sockets and serve."""
    sockets = inherited_sockets(os.environ)
    if not sockets:
        raise SystemExit("no sockets: run it by circusd, or by systemd-socket-activate --fdname=tcp -l 7000")
    asyncio.run(Service().run(sockets))


if __name__ == "__main__":
    main()
