import asyncio

from circus import get_arbiter


async def main():
    arbiter = get_arbiter([{"cmd": "sleep 1000", "name": "sleeper"}], loop=asyncio.get_running_loop())
    await arbiter.start()
    print(arbiter.statuses())
    await arbiter.get_watcher("sleeper").incr(2)
    await arbiter.stop()


asyncio.run(main())
