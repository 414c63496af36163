"""A stream that keeps its chunks in memory, for embedding programs and tests.

Found as :class:`circus.stream.QueueStream`; kept in a module of its own because :mod:`queue` is not needed to
start.
"""

from __future__ import annotations

from queue import Empty, Queue
from typing import Any

__all__ = ["Empty", "Queue", "QueueStream"]


class QueueStream(Queue):  # type: ignore[type-arg]
    """A queue of the dicts that sinks are given; read it with ``get()`` or ``get_nowait()`` from any thread.

    :param kw: ignored.
    """

    def __init__(self, **kw: Any) -> None:
        super().__init__()

    def __call__(self, data: dict[str, Any]) -> None:
        """Put ``data`` into the queue."""
        self.put(data)

    def close(self) -> None:
        """Nothing to close: what is in the queue can still be read."""
