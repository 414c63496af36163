"""Prints what happens in a daemon, as it happens.

Run it from the checkout while circusd runs: ``.venv/bin/python examples/listener.py [ENDPOINT [WATCHER]]``. It ends
with Ctrl-C.
"""

from __future__ import annotations

import json
import sys
import time

from circus.consumer import CircusConsumer


def main(endpoint: str = "tcp://127.0.0.1:5556", watcher: str = "") -> None:
    """Listen for the events of one watcher, or of all."""
    topic = f"watcher.{watcher.lower().replace(' ', '_')}." if watcher else "watcher."
    with CircusConsumer([topic], endpoint=endpoint) as consumer:
        for name, payload in consumer:
            _, _, rest = name.decode().partition(".")
            who, _, what = rest.rpartition(".")
            facts = json.loads(payload)
            clock = time.strftime("%H:%M:%S", time.localtime(facts.pop("time")))
            details = ", ".join(f"{key} {value}" for key, value in facts.items())
            print(f"{clock} {who}: {what} {details}", flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
