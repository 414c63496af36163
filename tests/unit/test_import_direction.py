"""Imports point downwards, in no circle, and the daemon's start path loads nothing heavy.

The floors are those of the architecture page. Modules for compatibility stand beside them: they may import
from any floor, and no module below the programs may import them.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import circus

_PACKAGE = Path(circus.__file__).parent

_FLOORS = [
    ["exc", "base"],
    ["model"],
    ["system", "process", "sockets", "pidfile", "sighandler", "stream"],
    [
        *("ini", "config", "configload", "configcheck", "hooks", "watcher", "arbiter", "controller", "commands"),
        *("embedding", "engine", "ondemand", "reconfigure", "supervision", "synthetic", "lookups", "manual"),
        *("fleet", "endpoints", "watcheroptions", "outputs", "journal", "story"),
    ],
    [
        *("client", "client_light", "consumer", "circusd", "circusctl", "ctl", "importers", "stats", "top", "plugins"),
        "web",
    ],
]
_FLOOR_OF = {name: floor for floor, names in enumerate(_FLOORS) for name in names}
_FACADES = ("util", "fixed_threading", "green", "_patch", "py3compat", "commands.util")

#: Not to be loaded before the first workers of circusd run: together they take longer than all the rest.
_HEAVY = [
    *("asyncio", "concurrent.futures", "email", "importlib.metadata", "logging.config", "logging.handlers"),
    *("psutil", "subprocess", "tornado", "urllib", "yaml", "zmq"),
]
#: First parts of the names of the modules that circusd needs for its first workers.
_START_PATH = [
    *("exc", "base", "model", "system", "process", "sockets", "pidfile", "sighandler", "stream"),
    *(
        "ini",
        "config",
        "configload",
        "configcheck",
        "hooks",
        "watcher",
        "arbiter",
        "engine",
        "ondemand",
        "supervision",
        *("synthetic", "lookups", "manual", "fleet", "endpoints", "watcheroptions", "outputs", "journal", "story"),
    ),
]
#: What a process has loaded once a start module is imported; ``circus.circusd`` is the door of the daemon.
_STARTS = ["circus.watcher", "circus.arbiter", "circus.config", "circus.process", "circus.circusd"]


@functools.cache
def _modules():
    """Dotted name below ``circus`` (empty for the package itself) to syntax tree."""
    found = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(_PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def _is_package(module):
    return (_PACKAGE / Path(*module.split("."))).is_dir()


def _is_type_checking(test):
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


def _import_statements(tree, *, at_load):
    """All import statements that run; only those that run when the module is loaded, if ``at_load``."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            todo.extend(node.orelse)
        elif not (at_load and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            todo.extend(ast.iter_child_nodes(node))


def _imported_names(module, statement):
    """Absolute dotted names that a statement may load, modules and their attributes alike."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    base = statement.module or ""
    if statement.level:
        here = ["circus", *filter(None, module.split("."))]
        up = statement.level - (1 if module == "" or _is_package(module) else 0)
        base = ".".join([*here[: len(here) - up], *filter(None, [statement.module])])
    return [base, *(f"{base}.{alias.name}" for alias in statement.names)]


@functools.cache
def _own_imports(module, at_load):
    """The modules of Circus that a module imports, the nearest one that exists for each name."""
    found = set()
    for statement in _import_statements(_modules()[module], at_load=at_load):
        names = _imported_names(module, statement)
        for name in names[1:] or names:
            if name.split(".")[0] != "circus":
                continue
            target = name.partition(".")[2]
            while target not in _modules():
                target = target.rpartition(".")[0]
            found.add(target)
    return frozenset(found - {module, ""})


def _floor(module):
    if any(module == facade or module.startswith(facade + ".") for facade in _FACADES):
        return None
    return _FLOOR_OF.get(module.split(".")[0])


def _is_heavy(name):
    return any(name == heavy or name.startswith(heavy + ".") for heavy in _HEAVY)


def test_every_module_has_a_floor():
    beside = {"", *_FACADES}
    homeless = [
        m for m in _modules() if _floor(m) is None and m not in beside and m.split(".")[0] not in _FACADES
    ]
    assert homeless == []


@pytest.mark.parametrize("module", [m for m in sorted(_modules()) if _floor(m) is not None])
def test_imports_point_downwards(module):
    floor = _floor(module)
    upward = [target for target in _own_imports(module, False) if (_floor(target) or 0) > floor]
    assert upward == []


@pytest.mark.parametrize("module", [m for m in sorted(_modules()) if _floor(m) not in (None, len(_FLOORS) - 1)])
def test_the_floors_below_the_programs_need_no_facade(module):
    # ``circus.commands`` offers its own facade, whose names live in its other modules.
    assert [target for target in _own_imports(module, False) if _floor(target) is None] == []


def test_there_is_no_circle():
    graph = {module: _own_imports(module, False) for module in _modules() if module}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports run in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", [m for m in sorted(_modules()) if m.split(".")[0] in _START_PATH])
def test_the_start_path_loads_nothing_heavy(module):
    loaded = {
        name
        for statement in _import_statements(_modules()[module], at_load=True)
        for name in _imported_names(module, statement)
        if _is_heavy(name)
    }
    assert loaded == set()


@pytest.mark.parametrize("module", [m for m in sorted(_modules()) if m.split(".")[0] in _START_PATH])
def test_the_start_path_stays_among_itself(module):
    outside = {target for target in _own_imports(module, True) if target.split(".")[0] not in _START_PATH}
    assert outside == set()


@pytest.mark.parametrize("module", _STARTS)
def test_what_is_loaded_at_start(module):
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(name for name in done.stdout.split() if _is_heavy(name)) == []
