"""The module states, prints and hands on what every benchmark measured.

A :class:`Result` is figures (each the values of repeated runs), facts (what was asked for and seen
once) and plots. :func:`show` prints it as a table or as one JSON object; :mod:`benchmarks.report`
makes a page of the JSON.
"""

import argparse
import json
import shlex
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from tabulate import tabulate
from tqdm import tqdm

from benchmarks.machine import describe
from musterd.urls import without_secrets

T = TypeVar("T")

HEADERS = ("figure", "unit", "median", "least", "most", "goal", "kept")


@dataclass(frozen=True, slots=True)
class Figure:
    """A `Figure` is one quantity: the values of its runs, and the goal for their median, if any."""

    name: str
    unit: str
    values: Sequence[float]
    at_most: float | None = None
    at_least: float | None = None

    @property
    def median(self) -> float:
        """Return the middle one of the values."""
        return statistics.median(self.values)

    @property
    def goal(self) -> str:
        """Return the goal in words, empty where there is none."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}"

    @property
    def kept(self) -> bool | None:
        """Say whether the median meets the goal; None where there is none."""
        if self.at_most is not None:
            return self.median <= self.at_most
        return None if self.at_least is None else self.median >= self.at_least

    def row(self) -> dict[str, Any]:
        """Return the figure as it is handed on: median and spread, to four significant digits."""
        return {
            "figure": self.name,
            "unit": self.unit,
            "median": rounded(self.median),
            "least": rounded(min(self.values)),
            "most": rounded(max(self.values)),
            "runs": len(self.values),
            "goal": self.goal,
            "kept": self.kept,
        }


@dataclass(frozen=True, slots=True)
class Plot:
    """A `Plot` is lines to draw: by name, points of x and y."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A `Result` is what one run of a benchmark found out.

    ``facts`` are single values by name; JSON has them at the top. ``command`` repeats the run.
    """

    benchmark: str
    title: str
    figures: Sequence[Figure]
    facts: Mapping[str, Any] = field(default_factory=dict)
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()
    command: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the one JSON object of the run."""
        return {
            **self.facts,
            "benchmark": self.benchmark,
            "title": self.title,
            "command": self.command,
            "figures": [figure.row() for figure in self.figures],
            "plots": [asdict(plot) for plot in self.plots],
            "notes": list(self.notes),
            "machine": describe(),
        }


def show(result: Result, as_json: bool) -> int:
    """Print to standard output; return 0, or 1 when a goal was missed."""
    if as_json:
        print(json.dumps(result.as_json()))
    else:
        print(result.title, table(figure.row() for figure in result.figures), sep="\n\n")
        print(*facts_as_text(result.facts), *result.notes, sep="\n")
        print(*facts_as_text(describe()), sep="\n")
    return 1 if any(figure.kept is False for figure in result.figures) else 0


def table(rows: Iterable[Mapping[str, Any]], style: str = "simple") -> str:
    """Return rows of figures as a table of text."""
    cells = [[cell(row.get(name)) for name in HEADERS] for row in rows]
    return tabulate(cells, HEADERS, tablefmt=style, disable_numparse=True)


def facts_as_text(facts: Mapping[str, Any], style: str = "simple") -> Iterator[str]:
    """Yield a line for each fact, and a table for each fact that is a list of rows."""
    for name, value in facts.items():
        if isinstance(value, list):
            yield f"\n{tabulate(value, headers='keys', tablefmt=style)}\n"
        else:
            yield f"{name.replace('_', ' ')}: {value}"


def rounded(value: float) -> float:
    """Round to four significant digits; leave a whole number whole."""
    exact = float(f"{value:.4g}") if abs(value) < 10_000 else round(value)
    return int(exact) if exact == int(exact) else exact


def parser_of(
    name: str, description: str | None, example: str | None = None
) -> argparse.ArgumentParser:
    """Return the parser of ``python -m benchmarks name``, with the option that they all have."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=description,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def command_of(benchmark: str, argv: Sequence[str] | None) -> str:
    """Return the command that repeats a run of ``argv``, or of this process, and prints a table.

    It has no passwords.
    """
    own = map(without_secrets, sys.argv[1:] if argv is None else argv)
    options = [option for option in own if option != "--json"]
    return shlex.join(["python", "-m", "benchmarks", benchmark, *options])


def positive(text: str) -> int:
    """Read a whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def seconds(text: str) -> float:
    """Read a duration or a period above 0 (seconds), for argparse."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def progress(items: Iterable[T], text: str, unit: str) -> "tqdm[T]":
    """Show a bar over ``items`` on standard error; none where that is not a terminal."""
    return tqdm(items, text, unit=unit, leave=False, disable=None)


def cell(value: object) -> str:
    """Return what stands in a table for a value of a figure."""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
