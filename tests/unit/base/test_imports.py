"""From dotted names to objects, with the improvements of spec library.md 11."""

from __future__ import annotations

import json
import json.decoder
import os
import pickle
import re
import sys

import pytest

from circus.base.imports import ImportStringError, resolve_name


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``planted`` with a module ``planted.deep``, forgotten afterwards."""
    root = tmp_path / "planted"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / "deep.py").write_text("value = 1\nclass Outer:\n    class Inner:\n        pass\n")
    (root / "broken.py").write_text("import no_such_thing_anywhere\n")
    (root / "failing.py").write_text("raise RuntimeError('at import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield root
    for name in [name for name in sys.modules if name.split(".")[0] == "planted"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("os", os),
        ("os.path", os.path),
        ("os.path.dirname", "os.path dirname"),
        ("os.path:dirname", "os.path dirname"),
        ("os:path.dirname", "os.path dirname"),
        ("json.decoder", json.decoder),
        ("json.decoder.JSONDecoder", json.JSONDecoder),
        ("json.decoder.JSONDecoder.decode", json.JSONDecoder.decode),
        ("json:decoder", json.decoder),
    ],
)
def test_names_that_lead_somewhere(name, found):
    if isinstance(found, str):  # looked up now: another test may have had the module imported again
        module, attribute = found.split()
        found = getattr(os.path if module == "os.path" else None, attribute)
    assert resolve_name(name) is found
    assert resolve_name(name, silent=True) is found


def test_modules_are_imported_on_the_way(package):
    assert resolve_name("planted.deep").value == 1
    assert resolve_name("planted.deep.Outer.Inner").__name__ == "Inner"


def test_a_module_of_a_package_after_the_colon(package):
    assert resolve_name("planted:deep").__name__ == "planted.deep"


@pytest.mark.parametrize(
    "name", ["os.nope", "os:nope", "nope", "nope.a.b", "a b", "", ":", ".os", "os.path."]
)
def test_names_that_lead_to_nothing(name):
    with pytest.raises(ImportStringError) as caught:
        resolve_name(name)
    assert str(caught.value).startswith(f"import_string() failed for {name!r}. Possible reasons are:\n")
    assert caught.value.import_name == name
    assert caught.value.__cause__ is caught.value.exception
    assert resolve_name(name, silent=True) is None


def test_the_error_says_how_far_the_import_came():
    with pytest.raises(ImportStringError) as caught:
        resolve_name("os.path.nope")
    text = str(caught.value)
    assert "- 'os' found in " in text
    assert "- 'os.path' found in " in text
    assert "- 'os.path.nope' not found." in text
    assert "AttributeError" in text
    assert repr(caught.value).startswith("<ImportStringError('os.path.nope', AttributeError(")
    assert isinstance(caught.value, ImportError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == text


def test_a_module_that_cannot_import_something_else(package):
    with pytest.raises(ImportStringError, match="No module named 'no_such_thing_anywhere'") as caught:
        resolve_name("planted.broken.thing")
    assert re.search(r"- 'planted\.broken' is in '.*broken\.py', but failed\.", str(caught.value))


def test_errors_of_the_imported_code_pass_through(package):
    with pytest.raises(RuntimeError, match="at import"):
        resolve_name("planted.failing.thing")


@pytest.mark.parametrize("name", ["planted.deep.value", "planted.deep:value"])
def test_reload_runs_the_module_again(package, name):
    assert resolve_name(name, reload=True) == 1
    (package / "deep.py").write_text("value = 2\n# longer\n")
    assert resolve_name(name) == 1
    assert resolve_name(name, reload=True) == 2


def test_reload_of_a_module_itself(package):
    module = resolve_name("planted.deep")
    (package / "deep.py").write_text("value = 2\n# longer\n")
    assert resolve_name("planted.deep", reload=True) is module
    assert module.value == 2
