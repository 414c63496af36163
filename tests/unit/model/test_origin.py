"""Where things stand in a file, and what is said about them."""

from __future__ import annotations

from circus.model.origin import Located, Problem


def test_places_do_not_count() -> None:
    one = Located({"a": 1}, ("x.ini", 3), {"a": ("x.ini", 4)})
    assert one == {"a": 1}
    assert one == Located({"a": 1}, ("y.ini", 9))
    assert (one.where("a"), one.where("b"), one.where()) == (("x.ini", 4), ("x.ini", 3), ("x.ini", 3))
    assert Located().where("a") is None
    one.copy().places["b"] = ("x.ini", 5)
    assert "b" not in one.places


def test_problem_in_one_line() -> None:
    problem = Problem("warning", "x.ini", 4, "watcher:w", "cmd", "is odd", "mend it", "odd")
    assert str(problem) == "x.ini:4 [watcher:w] cmd: is odd (mend it)"
    assert not problem.is_error
    assert problem.as_error().is_error
    assert problem.as_error().as_error() == problem.as_error()
    assert str(Problem("error", "", 0, "", "", "is odd")) == "is odd"
    assert str(Problem("error", "x.ini", 0, "", "", "is odd")) == "x.ini: is odd"
