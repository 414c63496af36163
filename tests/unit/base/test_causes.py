"""Causes reach the methods that take them, and no others."""

from __future__ import annotations

from typing import Any

from circus.base.causes import caused


class New:
    def stop(self, name: str = "", cause: str = "a program") -> tuple[str, str]:
        return name, cause

    def add(self, name: str, *, cause: str = "a program", **kw: Any) -> tuple[str, str, dict[str, Any]]:
        return name, cause, kw


class Old(New):
    def stop(self, name: str = "") -> tuple[str, str]:  # type: ignore[override]
        return name, "nobody told me"


class Greedy:
    def stop(self, **options: Any) -> dict[str, Any]:
        return options


def test_it_is_handed_over() -> None:
    assert caused(New().stop, "me")("web") == ("web", "me")
    assert caused(New().add, "me")("web", a=1) == ("web", "me", {"a": 1})


def test_old_methods_are_left_alone() -> None:
    assert caused(Old().stop, "me")(name="web") == ("web", "nobody told me")
    assert caused(Greedy().stop, "me")(a=1) == {"a": 1}
    assert caused(len, "me")("four") == 4
