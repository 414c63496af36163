"""Settings of Gunicorn: each worker in a session of its own, as those of Circus are.

On a busy machine Linux shares the cores among sessions (sched_autogroup, see sched(7)); with one session for all of
Gunicorn and one for each worker of Circus, Circus would get more.
"""

from __future__ import annotations

import os


def post_fork(_server: object, _worker: object) -> None:
    """Called by Gunicorn in each new worker."""
    os.setsid()
