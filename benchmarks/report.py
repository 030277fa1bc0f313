"""The command makes a page of what benchmarks printed with ``--json``.

``python -m benchmarks.report FOLDER docs``: FOLDER has one file of JSON for each run
(:meth:`benchmarks.figures.Result.as_json`), and the page has a section for each, in the order of
the files' names: its table, its plots, its remarks, and the command that repeats it. Plots go into
a folder beside the page.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.figures import Plot, cell, table

Run = Mapping[str, Any]
HEAD = """\
<!-- Written by `make bench`; do not edit. -->
# What musterd costs, measured

Every figure is the median of repeated runs, with the least and the most beside it. Absolute times
of one machine differ from one hour to the next, and those of two machines more: where something is
compared, both sides took turns in the same run on the same servers, and the ratio is what to go
by. How often the detector errs, and how soon it finds a death, is in [simulation.md](simulation.md).

Repeat all of it with `make bench`, or one part with the command below its title. `make bench
ARGS=--quick` takes a minute, and leaves its page in `build/benchmarks`.
"""


def main() -> None:
    """Write the page."""
    folder, docs = map(Path, sys.argv[1:])
    write(folder, docs)


def write(folder: Path, docs: Path) -> Path:
    """Write ``benchmarks.md`` and the folder ``benchmarks`` into ``docs``; return the page."""
    from benchmarks.plots import draw  # needs matplotlib

    runs = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    pictures = docs / "benchmarks"
    pictures.mkdir(parents=True, exist_ok=True)
    for old in pictures.glob("*.png"):
        old.unlink()
    for name, run in runs.items():
        for file, plot in zip(pictures_of(name, run), run["plots"], strict=True):
            draw([Plot(**plot)], docs / file)
    path = docs / "benchmarks.md"
    path.write_text(page(runs))
    return path


def page(runs: Mapping[str, Run]) -> str:
    """Return the page about these runs, by name."""
    machine = next(iter(runs.values()))["machine"]
    parts = [HEAD, "## The machine", tabulate(machine.items(), ("", ""), tablefmt="github")]
    if took := sum(run.get("took", 0) for run in runs.values()):
        parts.append(f"All of this took {took // 60} min {took % 60} s.")
    parts += ["## The goals", goals(list(runs.values()))]
    for name, run in runs.items():
        parts += _section(name, run)
        if run["machine"] != machine:
            parts.append(f"On another machine: {_listed(run['machine'])}.")
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def goals(runs: Sequence[Run]) -> str:
    """Return a table of every figure that has a goal."""
    names = ("figure", "unit", "median", "goal", "kept")
    rows = [
        [run["title"], *(cell(figure[name]) for name in names)]
        for run in runs
        for figure in run["figures"]
        if figure["goal"]
    ]
    return tabulate(rows, ("benchmark", *names), tablefmt="github", disable_numparse=True)


def pictures_of(name: str, run: Run) -> list[str]:
    """Return the files of a run's plots, as the page names them."""
    return [f"benchmarks/{name}-{number}.png" for number in range(1, len(run["plots"]) + 1)]


def _section(name: str, run: Run) -> list[str]:
    files = pictures_of(name, run)
    facts = {key: value for key, value in run.items() if key not in _STRUCTURE}
    return [
        f"## {run['title']}",
        f"```sh\n{run['command']}\n```",
        table(run["figures"], "github"),
        _listed({key: value for key, value in facts.items() if not isinstance(value, list)}) + ".",
        *(tabulate(value, "keys", "github") for value in facts.values() if isinstance(value, list)),
        *(f"- {note}" for note in run["notes"]),
        *(f"![{plot['title']}]({file})" for plot, file in zip(run["plots"], files, strict=True)),
    ]


_STRUCTURE = ("benchmark", "title", "command", "figures", "plots", "notes", "machine", "took")


def _listed(facts: Mapping[str, object]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items())


if __name__ == "__main__":
    main()
