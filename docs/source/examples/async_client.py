import asyncio

from circus.client import AsyncCircusClient


async def main():
    client = AsyncCircusClient(endpoint="tcp://127.0.0.1:5555", timeout=30, caller="rollout.py")
    try:
        names = (await client.send_message("list"))["watchers"]
        replies = await asyncio.gather(
            *(client.send_message("reload", name=name, waiting=True) for name in names)
        )
        for name, reply in zip(names, replies, strict=True):
            print(name, reply["status"], reply.get("cause", ""))
    finally:
        client.stop()


asyncio.run(main())
