"""A program that has Circus built in: three processes, looked after from an asyncio program.

Run it from the checkout: ``.venv/bin/python examples/embed.py``. ``circusctl`` can talk to it while it runs.
"""

from __future__ import annotations

import asyncio
import sys

from circus import get_arbiter

WATCHERS = [
    {"cmd": "sleep 3600", "name": "sleeper", "numprocesses": 2},
    {"cmd": f"{sys.executable} -c 'import time; time.sleep(3600)'", "name": "python"},
]


async def main(seconds: float) -> None:
    """Run them for a while, with a look and a change in between."""
    arbiter = get_arbiter(
        WATCHERS,
        controller="tcp://127.0.0.1:5555",
        pubsub_endpoint="tcp://127.0.0.1:5556",
        loop=asyncio.get_running_loop(),  # without a loop, start() would block and run one of its own
    )
    try:
        await arbiter.start()
        print("running:", arbiter.statuses(), flush=True)
        sleeper = arbiter.get_watcher("sleeper")
        print("processes of sleeper:", await sleeper.incr(), flush=True)
        print("restarted:", await sleeper.restart(), flush=True)
        await asyncio.sleep(seconds)
    finally:
        await arbiter.stop()
    print("stopped:", arbiter.statuses(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))
