"""What setting options would do, told before it is done: from the option table, without asking the daemon. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from circus.exc import ArgumentError, MessageError
from circus.model.options import STREAM, WATCHER, OnChange, Option, check_option, check_watcher, convert_option
from circus.web.problems import Problem
from circus.web.secrecy import masked

#: What a change asks of a running watcher, for people.
EFFECTS = {
    OnChange.NOTHING: "takes effect at the next use",
    OnChange.RECONCILE: "takes effect at once; healthy processes stay",
    OnChange.ROLL: "replaces the processes by new ones, gracefully",
    OnChange.STREAM: "switches the output over; processes stay",
    OnChange.REPLACE: "needs the watcher to be made anew",
}
_STREAMS = ("stdout_stream", "stderr_stream")


@dataclass
class OptionPlan:
    """What would happen.

    :param values: the options as they will be sent.
    :param changes: for each one that differs: option, old, new, on_change, effect.
    :param problems: for each one that is refused: option, detail, and a suggestion if there is one.
    """

    values: dict[str, Any] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON data, without secrets."""
        return {
            "changes": self.changes, "problems": self.problems, "errors": self.errors,
            "replaces_processes": any(change["on_change"] == OnChange.ROLL.value for change in self.changes),
        }  # fmt: skip

    def raise_problems(self, line: str) -> None:
        """:raises Problem: there are some."""
        if self.problems:
            text = "; ".join(f"{problem['option']}: {problem['detail']}" for problem in self.problems)
            raise Problem(422, text, problems=self.problems, errors=self.errors, circusctl=line)

    @property
    def errors(self) -> dict[str, str]:
        """The problems by option."""
        return {problem["option"]: problem["detail"] for problem in self.problems}


def plan_set(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> OptionPlan:
    """What ``set`` would do.

    :param wanted: the options, typed; text is taken as ``circusctl set`` would take it.
    :param present: the reply to ``options``.
    """
    plan = _plan(wanted, present, adding=False)
    merged = {**{key: value for key, value in present.items() if key in WATCHER.names}, **plan.values}
    _check_together(plan, merged, plan.values)
    return plan


def plan_add(name: str, cmd: str, args: Any, wanted: Mapping[str, Any]) -> OptionPlan:
    """What ``add`` would make."""
    plan = _plan(wanted, {}, adding=True)
    _check_together(plan, {"name": name, "cmd": cmd, "args": args, **plan.values}, None)
    return plan


def _plan(wanted: Mapping[str, Any], present: Mapping[str, Any], *, adding: bool) -> OptionPlan:
    plan = OptionPlan()
    for key, value in wanted.items():
        try:
            checked = _checked(key, value, adding=adding)
        except (MessageError, ArgumentError, ValueError) as error:
            problem = {"option": key, "detail": str(error)}
            option = WATCHER.find(key)
            if option is None and WATCHER.suggest(key):
                problem["hint"] = f"did you mean {WATCHER.suggest(key)}?"
            elif option is not None and option.fixed:
                problem["hint"] = option.fixed
            plan.problems.append(problem)
            shown = masked({key: value})[key]
            effect = option.on_change if option is not None else OnChange.NOTHING
            plan.changes.append({"option": key, "from": masked({key: _present(key, present)[1]})[key], "to": shown,
                                 "on_change": effect.value, "effect": EFFECTS[effect], "error": str(error)})
            continue
        known, before = _present(key, present)
        if not adding and known and before == checked:
            continue
        plan.values[key] = _sendable(checked)
        option = WATCHER[key]
        plan.changes.append({
            "option": key, "from": masked({key: before})[key], "to": masked({key: plan.values[key]})[key],
            "on_change": option.on_change.value, "effect": EFFECTS[option.on_change],
        })  # fmt: skip
    return plan


def _checked(key: str, value: Any, *, adding: bool) -> Any:
    """The value as it will be applied; text is understood where something else is needed, null is the default."""
    try:
        return check_option(key, value, adding=adding)
    except MessageError:
        option = WATCHER.find(key)
        if value is None and option is not None and option.default not in (None, ""):
            return check_option(key, option.default, adding=adding)
        if not isinstance(value, str) or option is None or not (option.addable if adding else option.settable):
            raise
        text = option.kind.console(value) if adding else convert_option(key, value)
        return check_option(key, text, adding=adding)


def _sendable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def _present(key: str, present: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether the value of an option is known, and which it is."""
    head, dot, rest = key.partition(".")
    if dot and head in _STREAMS:
        stream = present.get(f"{head}_conf") or present.get(head) or {}
        return rest in stream, stream.get(rest)
    option: Option | None = WATCHER.find(key)
    name = option.reported_name if option is not None and not option.is_family else key
    return name in present, present.get(name)


def _check_together(plan: OptionPlan, merged: Mapping[str, Any], concerned: Mapping[str, Any] | None) -> None:
    for error in check_watcher(merged):
        name = getattr(error, "name", "") or "options"
        if concerned is None or concerned:
            plan.problems.append({"option": str(name), "detail": str(error)})


def stream_keys() -> list[str]:
    """The keys behind ``stdout_stream.`` and ``stderr_stream.``."""
    return [option.name for option in STREAM if option.settable]
