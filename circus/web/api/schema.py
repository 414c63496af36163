"""Checks values against the small part of JSON Schema that the API uses. Pure.

The same schemas stand in the OpenAPI document, so what it says and what is accepted cannot drift apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: (isinstance(value, int) and not isinstance(value, bool))
    or (isinstance(value, float) and value.is_integer()),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    "null": lambda value: value is None,
}


def complaint(schema: Schema, value: Any, where: str = "") -> str:
    """What is wrong with a value; empty when nothing is.

    :param where: how the value is called in the text.
    """
    kinds = schema.get("type")
    if kinds is not None:
        allowed = [kinds] if isinstance(kinds, str) else kinds
        if not any(_TYPES[kind](value) for kind in allowed):
            return f"{where or 'the body'} is not of type {' or '.join(allowed)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where} is not one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema and all(complaint(each, value, where) for each in schema["anyOf"]):
        return complaint(schema["anyOf"][0], value, where)
    for check in (_object, _array, _string, _number):
        found = check(schema, value, where)
        if found:
            return found
    return ""


def _object(schema: Schema, value: Any, where: str) -> str:
    if not isinstance(value, dict):
        return ""
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            return f"{_at(where, name)} is missing"
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            found = complaint(properties[name], item, _at(where, name))
        elif others is False:
            return f"{_at(where, str(name)[:100])} is unknown"
        else:
            found = complaint(others, item, _at(where, name)) if isinstance(others, Mapping) else ""
        if found:
            return found
    return ""


def _array(schema: Schema, value: Any, where: str) -> str:
    if not isinstance(value, list):
        return ""
    if len(value) > schema.get("maxItems", math.inf):
        return f"{where} has more than {schema['maxItems']} items"
    if len(value) < schema.get("minItems", 0):
        return f"{where} has less than {schema['minItems']} items"
    for number, item in enumerate(value):
        found = complaint(schema.get("items", {}), item, f"{where}[{number}]")
        if found:
            return found
    return ""


def _string(schema: Schema, value: Any, where: str) -> str:
    if not isinstance(value, str):
        return ""
    if len(value) > schema.get("maxLength", math.inf):
        return f"{where} is longer than {schema['maxLength']} characters"
    if len(value) < schema.get("minLength", 0):
        return f"{where} is empty" if not value else f"{where} is too short"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{where} does not match {schema['pattern']}"
    return ""


def _number(schema: Schema, value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if value < schema.get("minimum", -math.inf):
        return f"{where} is less than {schema['minimum']}"
    if value > schema.get("maximum", math.inf):
        return f"{where} is more than {schema['maximum']}"
    return ""


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def from_text(schema: Schema, text: str) -> Any:
    """The value that a parameter in the query means; text that means none is returned as it is."""
    kind = schema.get("type")
    if kind == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?", text):
        return float(text)
    return text
