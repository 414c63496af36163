import asyncio
import sys

from circus import get_arbiter
from circus.sockets import CircusSocket

SERVE = """
import socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
listener.setblocking(True)
while True:
    listener.accept()[0].close()
"""


async def main():
    web = CircusSocket(name="web", host="127.0.0.1", port=0)
    arbiter = get_arbiter(
        [{
            "name": "web",
            "cmd": sys.executable,
            "args": ["-c", SERVE, "$(circus.sockets.web)"],
            "numprocesses": 2,
            "use_sockets": True,
            "copy_env": True,
        }],
        sockets=[web],
        loop=asyncio.get_running_loop(),
    )
    await arbiter.start()
    print("listening on port", web.port)
    watcher = arbiter.get_watcher("web")
    for process in watcher.processes.values():
        print("worker", process.wid, "has pid", process.pid)
    print("replaced:", await watcher.reload())
    await arbiter.stop()


asyncio.run(main())
