"""Every difference between Circus 0.19.0 and this one that the comparison meets, and what permits it.

The key is the name of the test and of the step. An entry whose step does not exist, whose reference does not behave
as noted, or which this Circus does not follow, fails. ``...`` stands for anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One permitted difference.

    :param because: the decision, or the paragraph of the contract that says IMPROVE.
    :param reference: what 0.19.0 does.
    :param ours: what we do.
    """

    because: str
    reference: Any
    ours: Any


DIFFERENCES: dict[tuple[str, str], Difference] = {}
