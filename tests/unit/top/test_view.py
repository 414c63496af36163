"""Rows after folding, sorting, filtering."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from circus.model.dashboard import COLUMNS, View, parse_filter, visible_rows
from circus.model.dashboard.columns import cell_text, count_text, exit_text, percent_text, size_text, time_text
from tests.unit.top.stories import NOW, board, sample, total


def small_board():
    return board(
        ("stat", sample(11, "api", cpu=9.0, wid=1)),
        ("stat", sample(12, "api", cpu=10.0, wid=2)),
        ("stat", sample(21, "web", cpu=78.0, wid=1)),
        ("stat", total("api")),
        ("stat", total("web")),
        ("statuses", {"api": "active", "web": "active", "old": "stopped"}),
        ("stat", sample(1, "circus", name="circusd")),
    )


def names(found):
    return [("  " * row.depth) + row.node.name for row in found]


def shown(view=None, made=None):
    return names(visible_rows(made or small_board(), view or View()))


def test_the_tree_by_name():
    assert shown() == ["api", "  api.1", "  api.2", "old", "web", "  web.1", "circus", "  circusd"]


def test_numbers_are_sorted_as_numbers_and_the_unknown_is_last():
    view = View()
    view.sort_by("cpu")
    assert shown(view) == ["web", "  web.1", "api", "  api.2", "  api.1", "old", "circus", "  circusd"]
    view.sort_by("cpu")
    assert shown(view) == ["api", "  api.1", "  api.2", "web", "  web.1", "old", "circus", "  circusd"]


def test_names_are_inverted_by_the_same_key():
    view = View()
    view.sort_by("name")
    assert shown(view)[:3] == ["web", "  web.1", "old"]


def test_workers_sort_by_wid_not_by_text():
    made = board(*(("stat", sample(wid, wid=wid)) for wid in range(1, 12)))
    assert shown(made=made)[2:4] == ["  web.2", "  web.3"]


def test_folding():
    view = View(is_open=False)
    assert shown(view) == ["api", "old", "web", "circus"]
    view.open[("e", "api")] = True
    assert shown(view) == ["api", "  api.1", "  api.2", "old", "web", "circus"]


def test_a_filter_shows_what_it_finds_and_what_is_above():
    view = View(filter=parse_filter("cpu>50"))
    assert shown(view) == ["web", "  web.1"]
    view = View(filter=parse_filter("state=stopped"))
    assert shown(view) == ["old"]
    view = View(filter=parse_filter("cpu>9.5 cpu<11"), is_open=False)
    assert shown(view) == ["api", "  api.2"]


def test_flat_is_all_workers_in_one_list():
    view = View(flat=True)
    view.sort_by("cpu")
    assert shown(view) == ["web.1", "api.2", "api.1", "circusd"]


def test_several_daemons():
    made = small_board()
    made.take("f", "connected", {}, NOW)
    made.take("f", "stat", sample(9, "db"), NOW)
    assert shown(View(show_endpoints=True), made)[0] == "e"
    assert shown(View(show_endpoints=True), made)[-3:] == ["f", "  db", "    db.1"]


def test_children_may_be_counted_before_they_are_known():
    made = board(("stat", sample(11, children_count=2)))
    rows = visible_rows(made, View())
    assert [row.fold for row in rows] == ["open", "closed"]


@given(st.data())
def test_sorting_and_folding_lose_nobody(data):
    made = board(
        *(
            ("stat", sample(pid, f"w{pid % 3}", cpu=data.draw(st.none() | st.floats(0, 100)), wid=pid))
            for pid in range(1, data.draw(st.integers(2, 15)))
        )
    )
    view = View(reverse=data.draw(st.booleans()), sort=data.draw(st.sampled_from(sorted(COLUMNS))))
    rows = visible_rows(made, view)
    assert sorted(row.node.path for row in rows) == sorted(
        node.path for node in made.endpoints["e"].root.walk() if node.parent is not None
    )
    for at, row in enumerate(rows[1:], 1):
        assert row.depth <= rows[at - 1].depth + 1


# -- what cells show --------------------------------------------------------------------------------------------------


@given(st.floats(0, 1e15))
def test_sizes_fit(value):
    assert len(size_text(value)) <= 6


@given(st.floats(0, 1e9))
def test_times_fit(value):
    assert len(time_text(value)) <= 6


def test_texts():
    assert [size_text(value) for value in (0, 999, 1536, 1.5 * 2**20, 512 << 20, 3.21 * 2**30)] == [
        "0B", "999B", "1.5K", "1.5M", "512M", "3.21G",
    ]  # fmt: skip
    assert [time_text(value) for value in (0, 59, 245, 11_520, 200_000, 9e6)] == [
        "0s", "59s", "4m05s", "3h12m", "2d07h", "104d",
    ]  # fmt: skip
    assert [percent_text(value) for value in (0.0, 99.94, 99.96, 400.4)] == ["0.0", "99.9", "100", "400"]
    assert [count_text(value) for value in (3, 99_999, 123_456, 12_345_678)] == ["3", "99999", "123k", "12M"]
    assert [exit_text(code) for code in (0, 3, -9, -99)] == ["exit 0", "exit 3", "SIGKILL", "signal 99"]
    assert cell_text({"procs": 3, "procs_of": 4}, COLUMNS["procs"]) == "3/4"
    assert cell_text({}, COLUMNS["procs"]) == ""
