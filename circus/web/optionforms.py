"""The option tables as data for forms and schemas: what each option is called, takes, means, and does when changed."""

from __future__ import annotations

import signal
from typing import Any

from circus.model.hooktable import HOOKS
from circus.model.options import STREAM, STREAM_CLASSES, WATCHER, Option, Table
from circus.model.options.compound import Environment, HookCalls, ResourceLimit, StreamOptions
from circus.model.options.kinds import (
    Account,
    Boolean,
    Choice,
    ConsoleText,
    ExitCodes,
    Integer,
    Kind,
    Real,
    Signal,
    Words,
)
from circus.web.optionplan import EFFECTS

#: Signals that are sent by people, the usual ones first.
SIGNALS = (
    "HUP", "TERM", "INT", "QUIT", "KILL", "USR1", "USR2", "WINCH", "STOP", "CONT", "TTIN", "TTOU", "ABRT", "ALRM",
)  # fmt: skip
#: Kind -> the JSON type of a value; the first that fits counts.
_TYPES: tuple[tuple[type[Kind], str], ...] = (
    (Boolean, "boolean"), (Signal, "integer"), (Integer, "integer"), (Real, "number"), (ExitCodes, "array"),
    (Environment, "object"), (HookCalls, "object"), (StreamOptions, "object"), (ResourceLimit, "string"),
)  # fmt: skip


def _inner(kind: Kind) -> Kind:
    return kind.inner if isinstance(kind, ConsoleText) else kind


def type_of(kind: Kind) -> str:
    """The JSON type of a value of that kind."""
    return next((name for each, name in _TYPES if isinstance(_inner(kind), each)), "string")


def schema_of(option: Option) -> dict[str, Any]:
    """The JSON Schema of an option's value. Text is taken as ``circusctl set`` takes it, so it is always allowed."""
    kind = _inner(option.kind)
    name = type_of(kind)
    schema: dict[str, Any] = {"description": f"{option.doc} A change {EFFECTS[option.on_change]}."}
    if isinstance(kind, Choice):
        return {**schema, "type": "string", "enum": list(kind.words)}
    types = ["string"] if name == "string" else [name, "string"]
    if isinstance(kind, Account):
        types = ["string", "integer"]
    if option.default is None:
        types.append("null")
    schema["type"] = types if len(types) > 1 else types[0]
    if name == "array":
        schema["items"] = {"type": "integer", "minimum": 0, "maximum": 255}
    return schema


def option_forms() -> list[dict[str, Any]]:
    """The options that a client can give a watcher."""
    return [_form(option, WATCHER) for option in WATCHER if option.addable or option.settable]


def stream_forms() -> dict[str, Any]:
    """The options of streams, and which class understands which."""
    classes = {name: sorted(keys) for name, keys in STREAM_CLASSES.items()}
    return {"options": [_form(option, STREAM) for option in STREAM if option.settable], "classes": classes}


def hook_names() -> list[dict[str, str]]:
    """The hooks."""
    return [{"name": hook.name, "doc": hook.doc} for hook in HOOKS.values()]


def _form(option: Option, table: Table) -> dict[str, Any]:
    kind = _inner(option.kind)
    default = option.default
    told: dict[str, Any] = {
        "name": option.name,
        "type": type_of(kind),
        "kind": kind.word,
        "default": int(default) if isinstance(default, int) and not isinstance(default, bool) else default,
        "default_text": "" if default is None or option.is_family else option.kind.render(default),
        "doc": option.doc,
        "on_change": option.on_change.value,
        "effect": EFFECTS[option.on_change],
        "addable": option.addable,
        "settable": option.settable,
        "family": option.family,
        "is_family": option.is_family,
        "since": option.since,
    }
    told["deprecated"], told["fixed"] = option.deprecated, option.fixed
    told["choices"] = list(kind.words) if isinstance(kind, Choice) else None
    for bound in ("minimum", "maximum"):
        told[bound] = getattr(kind, bound, None)
    told["required"] = isinstance(kind, Words) and kind.required
    return told


def signal_names() -> list[str]:
    """The signals one might send, as ``circusctl`` takes them."""
    return [name for name in SIGNALS if hasattr(signal, f"SIG{name}")]
