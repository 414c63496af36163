"""What a reloadconfig would do, as the daemon tells it beforehand, made into a question and a diff.

Pure: from the lines of a dry run to a plan with details. The steps are those of :mod:`circus.model.plan`; their texts
come over the wire, so one that cannot be taken apart is shown as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from circus.top.actions import ASK, LONG, SHOW, TYPE, Plan, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

#: ``replace watcher web (cmd: 'a' -> 'b', env changes)``
_STEP = re.compile(r"(?P<step>[^(]*) \((?P<why>.*)\)", re.DOTALL)
#: Where one reason ends and the next begins: before the name of an option and what is said of it.
_NEXT = re.compile(r"(?:, |; )(?=[\w.-]+(?:: | = | removed\b| changes\b)|its socket )")
_CHANGE = re.compile(r"(?:(?P<key>[\w.-]+): )?(?P<old>.*) -> (?P<new>.*)", re.DOTALL)
_GRAVITY = {"add": "good", "remove": "bad", "replace": "warning", "restart": "bad", "problem:": "bad"}
_NOTHING = "nothing to do"


def plan_reloadconfig(endpoint: str, lines: Sequence[str] | None, *, is_allowed: bool = True) -> Plan:
    """The question before a reloadconfig.

    :param lines: of the dry run; None when the daemon knows no such thing.
    :param is_allowed: whether it may be done at all; else it is only shown.
    """
    message = {"command": "reloadconfig", "properties": {"waiting": True}}
    request = Request(endpoint, message, f"reloadconfig {endpoint}")
    ask = ASK if is_allowed else SHOW
    if lines is None:
        question = f"Reload the configuration of {endpoint}?\nThis daemon cannot tell beforehand what would change."
        return Plan([request], ask, question, "", LONG)
    if list(lines) in ([], [_NOTHING]):
        return Plan([], SHOW, f"{endpoint} runs what its configuration file says: nothing to do.", "", LONG)
    details = diff(lines)
    if any(line.startswith("problem:") for line in lines):
        return Plan([], SHOW, f"The configuration of {endpoint} cannot be loaded:", "", LONG, details)
    steps = "1 step" if len(lines) == 1 else f"{len(lines)} steps"
    if any(line.startswith("restart daemon") for line in lines):
        question = f"Reload the configuration of {endpoint}? The daemon and all its workers are restarted:"
        return Plan([request], TYPE if is_allowed else SHOW, question, endpoint, LONG, details)
    return Plan([request], ask, f"Reload the configuration of {endpoint}? {steps}:", "", LONG, details)


def diff(lines: Sequence[str]) -> list[tuple[str, str]]:
    """The steps as lines to show, each with its gravity: what goes has a - in front, what comes a +."""
    found: list[tuple[str, str]] = []
    for line in lines:
        gravity = _GRAVITY.get(line.partition(" ")[0], "plain")
        taken = _STEP.fullmatch(line)
        found.append((gravity, taken["step"] if taken else line))
        if taken is None:
            continue
        for reason in _NEXT.split(taken["why"]):
            change = _CHANGE.fullmatch(reason)
            if change is not None and reason.count(" -> ") == 1:
                key = change["key"] or ("numprocesses" if line.startswith("resize") else taken["step"].split()[-1])
                found += [("bad", f"  - {key}: {change['old']}"), ("good", f"  + {key}: {change['new']}")]
            else:
                found.append(("plain", f"    {reason}"))
    return found
