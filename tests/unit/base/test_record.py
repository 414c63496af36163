"""Records: declared like dataclasses, immutable, made without generated code."""

from __future__ import annotations

import pickle

import pytest

from circus.base.record import Record


class Point(Record):
    x: int
    y: int = 2


class Named(Point):
    name: str = "p"


class Nothing(Record):
    pass


class Other(Record):
    x: int
    y: int = 2


def test_fields_by_position_by_name_and_by_default() -> None:
    assert (Point(1).x, Point(1).y) == (1, 2)
    assert Point(1, 3) == Point(x=1, y=3) == Point(1, y=3)
    assert repr(Named(1, name="n")) == "Named(x=1, y=2, name='n')"


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        ((), {}, "needs a value for 'x'"),
        ((1, 2, 3), {}, "takes 2 values"),
        ((1,), {"z": 1}, "no field 'z'"),
        ((1,), {"x": 1}, "no field 'x', or it was given twice"),
    ],
)
def test_wrong_arguments_are_named(args: tuple[int, ...], kwargs: dict[str, int], complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        Point(*args, **kwargs)


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Point(1).x = 2  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        del Point(1).x


def test_only_records_of_the_same_class_are_equal() -> None:
    assert Point(1, 2) != Other(1, 2)
    assert Point(1, 2) != (1, 2)
    assert hash(Point(1)) == hash(Point(1, 2))
    assert len({Point(1), Point(1), Other(1)}) == 2


def test_a_record_without_fields_is_true() -> None:
    assert Nothing()
    assert Nothing() == Nothing()


def test_records_match_by_position_and_can_be_pickled() -> None:
    match Named(1, 2, "n"):
        case Named(x, _, name):
            assert (x, name) == (1, "n")
    assert pickle.loads(pickle.dumps(Named(1))) == Named(1)
