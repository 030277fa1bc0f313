"""The module draws for every benchmark, and for the page of faults.

matplotlib comes with the dependency group ``bench``.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import Plot

DOTS_PER_INCH = 90


def canvas(x: str, y: str, title: str = "", *, width: float = 7, height: float = 3.6) -> Axes:
    """Return one picture, empty yet, of so many inches."""
    axes: Axes = Figure(figsize=(width, height), layout="constrained").subplots()
    axes.set(xlabel=x, ylabel=y, title=title)
    return axes


def save(axes: Axes, path: Path) -> Path:
    """Write the picture that ``axes`` belong to, as a PNG file; what has a label is in a legend."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(framealpha=0.9)
    axes.spines[["top", "right"]].set_visible(False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    _write(figure, path)
    return path


def draw(plots: Sequence[Plot], path: Path) -> None:
    """Draw the lines of some plots into one PNG file, side by side."""
    figure = Figure(figsize=(8 * len(plots), 4.5), layout="constrained")
    for plot, axes in zip(plots, figure.subplots(1, len(plots), squeeze=False)[0], strict=True):
        _lines(plot, axes)
    _write(figure, path)


def _write(figure: Figure, path: Path) -> None:
    # Without matplotlib's version in it, the same picture is the same file.
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _lines(plot: Plot, axes: Axes) -> None:
    for name, points in plot.lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    if plot.logarithmic:
        axes.set(xscale="log", yscale="log")
    else:
        axes.set_ylim(bottom=0)
        axes.locator_params(axis="x", integer=True)
    axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize="small")
