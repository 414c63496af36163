"""An ``ecosystem.config.json`` of pm2 as a configuration of circus: the file as a whole.

By the public documentation of pm2. :mod:`circus.importers.apps` has what is in one of its apps.
"""

from __future__ import annotations

import re
from typing import Any

from circus.importers.apps import App
from circus.importers.conversion import DIFFERS, MISSING, Conversion, ImportFailure
from circus.importers.loosejson import NotJson, Object, read_json
from circus.importers.surroundings import Surroundings

_SCRIPT = re.compile(r"\b(?:module\.exports|export\s+default|require\s*\(|exports\.apps)")


def convert(text: str, file: str, around: Surroundings) -> Conversion:
    """The configuration.

    :param file: name of the file, for remarks.
    :param around: its directory, and how many processors there are.
    :raises ImportFailure: the file is not JSON, or has no apps.
    """
    conversion = Conversion("pm2", file)
    try:
        found = read_json(text)
    except NotJson as error:
        if _SCRIPT.search(text) or file.endswith((".js", ".cjs", ".mjs")):
            raise ImportFailure(how_to_make_json(file), file) from error
        if file.endswith((".yml", ".yaml")):
            raise ImportFailure("YAML is not read; write it as JSON first", file) from error
        raise ImportFailure(f"not JSON: {error}", file, error.line) from error
    for app in _apps(found, conversion):
        App(conversion, around, app).convert()
    return conversion


def how_to_make_json(file: str) -> str:
    """What to do with a configuration that is a program."""
    name = "./" + file.rpartition("/")[2]
    return ("this is a program, not data; let node write the data down and import that: "
            f"node -p 'JSON.stringify(require(\"{name}\"), null, 1)' > ecosystem.config.json")


def _apps(found: Any, conversion: Conversion) -> list[Object]:
    apps = found
    if isinstance(found, Object):
        apps = found.get("apps", found if "script" in found else None)
        for name, line in found.lines.items():
            if name == "deploy":
                conversion.remark(MISSING, (conversion.file, line), name, "circus does not deploy",
                                  "keep a script for it, which ends with circusctl reload --waiting")
            elif name != "apps" and apps is not found:
                conversion.remark(DIFFERS, (conversion.file, line), name, "it means nothing here and is left out")
    if isinstance(apps, Object):
        apps = [apps]
    if not isinstance(apps, list):
        raise ImportFailure('there are no apps in it: {"apps": [{"script": ...}]} is expected', conversion.file)
    kept = [each for each in apps if isinstance(each, Object)]
    if len(kept) < len(apps):
        conversion.remark(DIFFERS, (conversion.file, 0), "apps", "an app is an object; what is none is left out")
    if not kept:
        conversion.remark(DIFFERS, (conversion.file, 0), "apps", "there is no app in it")
    return kept
