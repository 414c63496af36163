"""Variables in text: the rows of spec library.md 11 and config.md 7.2, and decision 8."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circus.base.expand import Template, Variables, compile_template, replace_gnu_args


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("$(circus.a) ((circus.a)) $(CIRCUS.A)", {"a": 1}, "1 1 1"),
        ("$(circus.key.sub)", {"key": {"sub": 3}}, "3"),
        ("$(circus.KEY.Sub)", {"key": {"sub": 3}}, "3"),
        ("$(circus.key) $(circus.key.none)", {"key": {"sub": 3}}, "$(circus.key) $(circus.key.none)"),
        ("$(circus.key.sub.x)", {"key": {"sub": {"x": 1}}}, "$(circus.key.sub.x)"),
        ("$(circus.a)", {"a": None}, "None"),
        ("$(circus.a)", {"a": ["l"]}, "['l']"),
        ("$(circus.a)", {"a": "$(circus.b)", "b": 1}, "$(circus.b)"),
        ("$(circus.a)", {"a": r"\1\g<0>"}, r"\1\g<0>"),
        ("$(circus.a-b)$(circus.a_b)$(circus.é)", {"a-b": 1, "a_b": 2, "é": 3}, "123"),
        ("$(circus.my.dotted)", {"my.dotted": 5}, "5"),
        ("$(circus.sockets.a.b)", {"sockets": {"a.b": 7}}, "7"),
        (
            "$( circus.a ) $(circus. a) $(circus) $(circus.) $(a)",
            {"a": 1},
            "$( circus.a ) $(circus. a) $(circus) $(circus.) $(a)",
        ),
        (
            "$(circus.a)) ((circus.a) ($(circus.a)) (((circus.a)))$$(circus.a)",
            {"a": 1},
            "1) ((circus.a) (1) (1)$1",
        ),
        ("${circus.a} $circus.a", {"a": 1}, "${circus.a} $circus.a"),
        ("", {}, ""),
    ],
)
def test_replace(text, options, expected):
    assert replace_gnu_args(text, **options) == expected


def test_exact_case_wins_over_a_name_that_differs_in_case():
    assert replace_gnu_args("$(circus.a)$(circus.A)", a=1, A=2) == "12"
    assert (
        replace_gnu_args("$(circus.env.Ab)$(circus.env.aB)$(circus.env.ab)", env={"Ab": 1, "aB": 2}) == "122"
    )


def test_other_prefixes():
    assert replace_gnu_args("$(cir.a) $(circus.a)", prefix="cir", a=1) == "1 $(circus.a)"
    assert replace_gnu_args("$(c.s.a) $(cXs.a)", prefix="c.s", a=1) == "1 $(cXs.a)"
    assert (
        replace_gnu_args("$(a) $(key.sub) $(circus.a) ((a))", prefix=None, a=1, key={"sub": 2})
        == "1 2 $(circus.a) 1"
    )


@pytest.mark.parametrize("data", [None, 5, b"$(circus.a)"])
def test_only_text_is_expanded(data):
    with pytest.raises(TypeError):
        replace_gnu_args(data, a=1)


def test_braces_are_understood_only_where_asked_for():
    text = "--fd ${socket:web} ${circus.sockets.web} ${circus.wid} ${X}"
    sockets = Variables({"sockets": {"web": 9}, "wid": 1})
    assert Template(text).constant
    assert Template(text, braces=True).expand(sockets) == "--fd 9 9 ${circus.wid} ${X}"


def test_a_template_knows_its_variables():
    template = Template("a $(circus.wid) ((circus.env.X))b")
    assert not template.constant
    assert template.names == ("wid", "env.X")
    assert template.expand({"wid": "3"}.get) == "a 3 ((circus.env.X))b"
    assert template.expand(lambda name: f"<{name}>") == "a <wid> <env.X>b"


def test_a_constant_template_asks_nobody():
    template = Template("sleep 10; echo $(date) $HOME")
    assert template.constant
    assert template.names == ()
    assert template.expand(None) == template.text


def test_templates_are_kept():
    assert compile_template("x $(circus.kept)") is compile_template("x $(circus.kept)")
    assert compile_template("x $(circus.kept)") is not compile_template("x $(circus.kept)", braces=True)


def test_variables_are_read_when_asked():
    table = {"wid": 1}
    variables = Variables(table)
    assert variables("wid") == "1"
    table["wid"] = 2
    assert variables("wid") == "2"


_names = st.from_regex(r"[A-Za-z0-9_.\-]{1,6}", fullmatch=True)
_pieces = st.one_of(
    st.text(alphabet="$(){}. ab-circus", max_size=8),
    _names.map(lambda name: f"$(circus.{name})"),
    _names.map(lambda name: f"((circus.{name}))"),
)


@given(st.lists(_pieces, max_size=8).map("".join), st.dictionaries(_names, st.text(max_size=4)))
def test_a_template_agrees_with_one_substitution_over_the_grammar(text, table):
    def value(match):
        name = match[1] or match[2]
        return table.get(name, match[0])

    grammar = re.compile(r"\$\(circus\.([\w.\-]+)\)|\(\(circus\.([\w.\-]+)\)\)", re.IGNORECASE)
    assert Template(text).expand(table.get) == grammar.sub(value, text)


@given(st.text(max_size=40))
def test_without_values_every_text_stays_as_it_is(text):
    assert replace_gnu_args(text) == text
    assert Template(text, braces=True).expand(lambda name: None) == text
    assert Template(text, prefix=None, braces=True).expand(lambda name: None) == text


@given(st.dictionaries(_names, st.integers(), min_size=1), st.data())
def test_any_case_of_a_name_finds_a_value(table, data):
    name = data.draw(st.sampled_from(sorted(table)))
    found = replace_gnu_args(
        f"$(circus.{name.swapcase()})", **{"prefix": "circus"}, **_without_parameters(table)
    )
    same = {str(value) for key, value in table.items() if key.lower() == name.lower()}
    assert found in same


def _without_parameters(table):
    return {key: value for key, value in table.items() if key not in ("data", "prefix")}
