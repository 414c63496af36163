"""What a reloadconfig would do, as the daemon tells it beforehand, made into a question and a diff.

Pure: from the reply of a dry run (spec: commands, ``reloadconfig``) to a plan with details. Of a daemon that tells no
steps, its lines are shown as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from circus.top.actions import ASK, LONG, SHOW, TYPE, Plan, Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_GRAVITY = {"add": "good", "remove": "bad", "replace": "warning", "restart": "bad"}
_NOTHING = "nothing to do"


def plan_reloadconfig(endpoint: str, told: Mapping[str, Any] | None, *, is_allowed: bool = True) -> Plan:
    """The question before a reloadconfig.

    :param told: the reply of the dry run; None when the daemon knows no such thing.
    :param is_allowed: whether it may be done at all; else it is only shown.
    """
    message = {"command": "reloadconfig", "properties": {"waiting": True}}
    request = Request(endpoint, message, f"reloadconfig {endpoint}")
    ask = ASK if is_allowed else SHOW
    if told is None:
        question = f"Reload the configuration of {endpoint}?\nThis daemon cannot tell beforehand what would change."
        return Plan([request], ask, question, "", LONG)
    if list(told.get("plan") or ()) in ([], [_NOTHING]):
        return Plan([], SHOW, f"{endpoint} runs what its configuration file says: nothing to do.", "", LONG)
    details = diff(told)
    if told.get("problems"):
        return Plan([], SHOW, f"The configuration of {endpoint} cannot be loaded:", "", LONG, details)
    if any(step["act"] == "restart daemon" for step in told.get("steps", ())):
        question = f"Reload the configuration of {endpoint}? The daemon and all its workers are restarted:"
        return Plan([request], TYPE if is_allowed else SHOW, question, endpoint, LONG, details)
    steps = "1 step" if len(told["plan"]) == 1 else f"{len(told['plan'])} steps"
    return Plan([request], ask, f"Reload the configuration of {endpoint}? {steps}:", "", LONG, details)


def diff(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The steps as lines to show, each with its gravity: what goes has a - in front, what comes a +."""
    if "steps" not in told:
        return [("plain", str(line)) for line in told["plan"]]
    found = [("bad", f"problem: {problem}") for problem in told.get("problems", ())]
    for step in told["steps"]:
        found.append((_GRAVITY.get(step["act"].partition(" ")[0], "plain"), f"{step['act']} {step['name']}"))
        for change in step["changes"]:
            option, old, new = change.get("option"), change.get("old"), change.get("new")
            if old is not None:
                found.append(("bad", f"  - {option}: {old}"))
            if new is not None:
                found.append(("good", f"  + {option}: {new}"))
            if old is None and new is None:
                found.append(("plain", f"    {option} changes" if option else f"    {change.get('note', '')}"))
    return found
