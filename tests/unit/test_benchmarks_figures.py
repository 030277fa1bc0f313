"""What benchmarks compute from what they measured, and the page that is made of it."""

import json

import pytest
from benchmarks.figures import Figure, Plot, Result, command_of, rounded
from benchmarks.growth_fit import exponent, worst_doubling
from benchmarks.machine import describe
from benchmarks.query_load import length
from benchmarks.report import page

MACHINE = {"CPU": "one", "cores": "1"}


def test_a_figure_is_a_median_and_its_spread() -> None:
    row = Figure("sweep", "ms", [3.0, 1.0, 2.0], at_most=2.0).row()
    assert [row[key] for key in ("median", "least", "most", "runs")] == [2, 1, 3, 3]
    assert (row["goal"], row["kept"]) == ("≤ 2", True)


@pytest.mark.parametrize(
    ("figure", "kept"),
    [
        (Figure("a", "", [2.1], at_most=2.0), False),
        (Figure("a", "", [1.9], at_least=2.0), False),
        (Figure("a", "", [2.0], at_least=2.0), True),
        (Figure("a", "", [2.0]), None),
    ],
)
def test_a_goal_is_kept_or_not(figure: Figure, kept: bool | None) -> None:
    assert figure.kept is kept


def test_figures_have_four_significant_digits() -> None:
    assert [rounded(value) for value in (0.012345678, 123456.7, 2.0)] == [0.01235, 123457, 2]


def test_a_command_shows_no_password_and_prints_a_table() -> None:
    shown = command_of("load", ["--store", "postgresql://me:secret@db/x", "--json"])
    assert shown == "python -m benchmarks load --store 'postgresql://me:***@db/x'"


def test_a_cost_that_grows_as_its_square_has_the_exponent_two() -> None:
    points = [(size, 3.0 * size**2) for size in (1000, 3000, 10_000)]
    assert exponent(points) == pytest.approx(2)
    assert worst_doubling(points).ratio == pytest.approx(4)


def test_the_steepest_step_is_found() -> None:
    step = worst_doubling([(1000, 1.0), (4000, 4.0), (8000, 12.0), (16_000, 12.0)])
    assert step.ratio == pytest.approx(3)
    assert (step.smaller, step.larger) == (4000, 8000)


def test_one_point_makes_no_line() -> None:
    with pytest.raises(ValueError, match="two points"):
        exponent([(1000, 1.0)])


def test_the_length_of_an_answer_is_in_its_head() -> None:
    assert length(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nserver: x") == 12
    with pytest.raises(ValueError, match="length"):
        length(b"HTTP/1.1 204 No Content")


def test_a_result_names_its_machine_and_is_json() -> None:
    result = Result("sweep", "A sweep", [Figure("s", "ms", [1.5])], {"members": 7})
    told = json.loads(json.dumps(result.as_json()))
    assert told["members"] == 7
    assert told["machine"]["cores"] == describe()["cores"]


def test_the_page_has_goals_commands_tables_and_plots() -> None:
    plot = Plot("Time", "round", "ms", {"ours": [(1, 2.0)]})
    figures = [Figure("s", "ms", [1.5], at_most=1.0), Figure("free", "ms", [1.0])]
    facts = {"members": 7, "points": [{"members": 7, "cost": 9}]}
    result = Result("sweep", "A sweep", figures, facts, [plot], ["remark"], "python -m benchmarks")
    text = page({"01-sweep": {**result.as_json(), "machine": MACHINE}})
    assert "![Time](benchmarks/01-sweep-1.png)" in text
    assert "python -m benchmarks\n```" in text
    assert "- remark" in text
    assert text.count("≤ 1 ") == 2  # among the goals, and in its own table
    assert text.count("| free ") == 1


def test_the_page_says_where_a_run_was_on_another_machine() -> None:
    result = Result("sweep", "A sweep", []).as_json()
    text = page({"a": {**result, "machine": MACHINE}, "b": {**result, "machine": {"CPU": "two"}}})
    assert "On another machine: CPU two." in text


def test_the_page_says_how_long_it_all_took() -> None:
    result = Result("sweep", "A sweep", []).as_json()
    runs = {name: {**result, "machine": MACHINE, "took": 45} for name in "ab"}
    assert "All of this took 1 min 30 s." in page(runs)
    assert "All of this" not in page({"a": result})
