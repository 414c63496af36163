"""Variables of a configuration and the patterns of ``[env:…]`` sections."""

from __future__ import annotations

import pytest

from circus.model.variables import EnvPatterns, EnvScope, expand


def test_exact_name_wins_over_inner_layer() -> None:
    outer = EnvScope({"Home": "outer", "HOME": "outer, capitals"})
    inner = EnvScope({"HOME": "inner"}, outer)
    assert inner("env.Home") == "outer"
    assert inner("env.HOME") == "inner"
    assert inner("ENV.home") == "inner", "without regard to case the inner layer comes first"
    assert outer("env.home") == "outer, capitals", "and the last of several"
    assert inner("env.NOPE") is None
    assert inner("sockets.HOME") is None
    assert inner("environment") is None


def test_text_is_expanded_by_several_scopes_in_turn() -> None:
    first, second = EnvScope({"A": "1"}), EnvScope({"A": "2", "B": "$(circus.env.A)"})
    assert expand("$(circus.env.A) ((circus.env.B)) $(circus.env.C)", first, second) == (
        "1 $(circus.env.A) $(circus.env.C)"
    )
    assert expand("plain", first) == "plain"
    assert expand("$(circus.env.A)") == "$(circus.env.A)"


@pytest.mark.parametrize(
    ("patterns", "name", "matches"),
    [
        ("web", "web", True),
        ("web", "Web", False),
        ("web", "web1", False),
        ("web*", "web1", True),
        ("a, b", "b", True),
        (" a ,w?b", "web", True),
        ("w[ab]b", "wab", True),
        ("w[!ab]b", "wab", False),
        ("w.b", "wxb", False),
        ("", "", True),
        ("[", "[", True),
        ("*", "a\nb", True),
    ],
)
def test_pattern(patterns: str, name: str, matches: bool) -> None:
    sections = EnvPatterns()
    sections.add(patterns, {"A": "1"})
    assert sections.matching(name) == ([{"A": "1"}] if matches else [])


def test_sections_stay_in_order() -> None:
    sections = EnvPatterns()
    for index, patterns in enumerate(["*", "web", "w*", "other", "web,web"]):
        sections.add(patterns, {"N": str(index)})
    assert [each["N"] for each in sections.matching("web")] == ["0", "1", "2", "4"]
