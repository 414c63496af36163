"""Which values of options nobody needs to see, and how they get back unharmed when an option is saved.

Environments and command lines hold passwords. What looks like one is shown as :data:`MASK`; a client that sends the
mask back means "as it was". Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from circus.model.options import WATCHER as OPTIONS

MASK = "••••••"
_SECRET = re.compile(
    r"(?i)(passw|passwd|pwd|secret|token|api_?key|private|credential|auth|session|cookie|dsn|signature|access_key|"
    r"license|salt)|(?:^|_)(key|pass)$"
)
#: Variables of every shell that only look like passwords.
_DIRECTORIES = frozenset({"PWD", "OLDPWD"})
#: ``--password x``, ``--token=x``, ``PASSWORD=x``, ``scheme://user:x@host``.
_IN_WORDS = re.compile(
    r"(?i)(?P<flag>--?[\w-]*(?:passw(?:or)?d|secret|token|api-?key|credential)[\w-]*[= ])(?P<value>\S+)"
    r"|(?P<name>\b[\w]*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY)\w*=)(?P<given>\S+)"
    r"|(?P<url>\w+://[^/\s:@]*:)(?P<password>[^@\s/]+)(?=@)"
    # A plugin's options on its command line: key:value:::key:value, or a JSON object; rather too much than too little.
    r"|(?P<key>\b\w*(?:passw(?:or)?d|secret|token|api_?key|credential)\w*:(?!//))"
    r"(?:(?:(?!:::)[^\"'])+(?=:::|\"|')|\S+)"
    r"|(?P<member>\b\w*(?:passw(?:or)?d|secret|token|api_?key|credential)\w*\": \")[^\"]+(?=\")"
)


def is_secret(name: str) -> bool:
    """Whether a variable of that name holds something that is nobody's business."""
    return name not in _DIRECTORIES and _SECRET.search(name) is not None


def masked_text(text: str) -> str:
    """A command line without its passwords."""

    def mask(found: re.Match[str]) -> str:
        return (found["flag"] or found["name"] or found["url"] or found["key"] or found["member"]) + MASK

    return _IN_WORDS.sub(mask, text)


def masked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are shown."""
    return {name: _masked(name, value) for name, value in options.items()}


def secrets_in(options: Mapping[str, Any]) -> list[str]:
    """The names of what :func:`masked` hides, ``env.PASSWORD`` for a variable."""
    found = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += [f"{name}.{key}" for key, item in value.items() if _masked(name, {key: item})[key] != item]
        elif _masked(name, value) != value:
            found.append(name)
    return found


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: MASK if item and is_secret(str(key)) else _masked(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked_text(item) if isinstance(item, str) else item for item in value]
    if isinstance(value, str) and value:
        is_ours = "." not in name and OPTIONS.find(name) is not None
        return masked_text(value) if is_ours or not is_secret(name.rpartition(".")[2]) else MASK
    return value


def unmasked(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Options that a client wants to set, with what it was shown masked and did not touch put back.

    :param wanted: as the client sent them.
    :param present: all options as they are.
    :raises ValueError: a mask stands where nothing was masked; carries the name of the option.
    """
    return {name: _unmasked(name, value, present.get(name)) for name, value in wanted.items()}


def _unmasked(name: str, value: Any, before: Any) -> Any:
    if isinstance(value, Mapping):
        known = before if isinstance(before, Mapping) else {}
        return {key: _unmasked(f"{name}.{key}", item, known.get(key)) for key, item in value.items()}
    if not _has_mask(value):
        return value
    if before is not None and (value == MASK or value == _masked(name, before)):
        return before
    raise ValueError(name)


def _has_mask(value: Any) -> bool:
    return MASK in value if isinstance(value, str) else isinstance(value, list) and any(map(_has_mask, value))
