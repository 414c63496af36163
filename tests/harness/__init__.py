"""What integration, end-to-end and compatibility tests share: real daemons, real clients, and no trace left
behind.

Nothing here imports the code under test, so the same tools drive the released Circus 0.19 as well
(tests/compat).
"""

from __future__ import annotations

from harness.daemon import Daemon, DaemonFailed
from harness.installation import OURS, Installation
from harness.paths import child_command
from harness.waiting import PATIENCE, eventually
from harness.wire import Caller, Event, EventRecorder

__all__ = [
    "OURS",
    "PATIENCE",
    "Caller",
    "Daemon",
    "DaemonFailed",
    "Event",
    "EventRecorder",
    "Installation",
    "child_command",
    "eventually",
]
