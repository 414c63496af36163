"""Which daemons to look at, from the command line: each with its control and its statistics endpoint.

Called once at the start. ``--endpoint`` is the statistics endpoint, as it always was; everything but the plain numbers
needs the control endpoint, which tells the others. Spec stats-web.md 4, cli.md 3.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from circus.base.endpoints import DEFAULT_ENDPOINT_DEALER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True)
class Target:
    """One daemon.

    :param name: how it is called on the screen.
    :param control: its control endpoint; None when only the statistics are known.
    :param stats: its statistics endpoint; None to ask the daemon.
    :param ssh: ``user@host[:port]`` to go through.
    :param guessed: nobody named the control endpoint; the daemon there need not be the one of the statistics.
    """

    name: str
    control: str | None
    stats: str | None = None
    ssh: str | None = None
    guessed: bool = False

    def reachable(self, endpoint: str) -> str:
        """An endpoint as the daemon names it, as it can be reached from here: ``0.0.0.0`` is where it is bound."""
        base = self.control or self.stats or ""
        if self.ssh is not None or not base.startswith("tcp://"):
            return endpoint
        host = base.removeprefix("tcp://").rpartition(":")[0]
        for anywhere in ("tcp://0.0.0.0:", "tcp://*:", "tcp://[::]:"):
            if endpoint.startswith(anywhere):
                return f"tcp://{host}:{endpoint.rpartition(':')[2]}"
        return endpoint


def find_targets(
    controls: Sequence[str], stats: Sequence[str], ssh: str | None, *, discovers: bool = False
) -> list[Target]:
    """The daemons meant by ``--control`` and ``--endpoint``, in their order, paired one by one.

    A control endpoint without partner is asked where its statistics are. A lone statistics endpoint belongs to the
    default control endpoint (``CIRCUSCTL_ENDPOINT``, else that of circusd); further ones are shown without actions.

    :param discovers: others will be found: without a named one there is none.
    """
    if discovers and not controls and not stats:
        return []
    guessed = not controls and bool(stats)
    if not controls:
        controls = [os.environ.get("CIRCUSCTL_ENDPOINT") or DEFAULT_ENDPOINT_DEALER]
    pairs: list[tuple[str | None, str | None]] = []
    for number in range(max(len(controls), len(stats))):
        control = controls[number] if number < len(controls) else None
        pairs.append((control, stats[number] if number < len(stats) else None))
    named = _short_names([(given if guessed else control or given) or "" for control, given in pairs])
    return [
        Target(name, control, given, ssh, guessed and control is not None)
        for name, (control, given) in zip(named, pairs, strict=True)
    ]


def name_found(endpoint: str, taken: Collection[str]) -> str:
    """How a daemon that was found is called on the screen, beside those that have their names already."""
    return _short_names([endpoint], taken)[0]


def _short_names(endpoints: Sequence[str], taken: Collection[str] = ()) -> list[str]:
    """``host:port``, or the last parts of a path; made different where two are the same."""
    found: list[str] = []
    for endpoint in endpoints:
        scheme, _, rest = endpoint.partition("://")
        name = rest.replace("127.0.0.1", "localhost") if scheme == "tcp" else "/".join(rest.split("/")[-2:])
        while name in found or name in taken:
            name += "'"
        found.append(name or endpoint)
    return found
