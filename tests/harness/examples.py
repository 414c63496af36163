"""How many examples a property is tried with: few in an ordinary run, always the same ones; many on request."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

#: Times as many examples, and chosen anew in each run: for a search, not for a check of a change.
FACTOR = float(os.environ.get("CIRCUS_TEST_EXAMPLES", "0"))
_ORDINARY = 0.25
#: What is slow on a machine that does other things, too, is no fault of a test.
TOLERATED = (HealthCheck.too_slow,)


def examples(count: int) -> int:
    """So many examples in a run with ``CIRCUS_TEST_EXAMPLES=1``, and a part of them in an ordinary one."""
    return max(1, round(count * (FACTOR or _ORDINARY)))


def choose_profile() -> None:
    """Have all properties tried so, unless they say otherwise."""
    settings.register_profile(
        "circus",
        max_examples=examples(100),
        derandomize=not FACTOR,
        database=None,
        deadline=None,
        suppress_health_check=TOLERATED,
    )
    settings.load_profile("circus")
