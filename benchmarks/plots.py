"""The module draws for every benchmark; matplotlib comes with the dependency group ``bench``."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import Plot


def canvas(x: str, y: str, title: str = "") -> Axes:
    """Return one picture, empty yet."""
    axes: Axes = Figure(figsize=(7, 3.6), layout="constrained").subplots()
    axes.set(xlabel=x, ylabel=y, title=title)
    return axes


def save(axes: Axes, path: Path) -> Path:
    """Write the picture that ``axes`` belong to, as a PNG file."""
    axes.legend(framealpha=0.9)
    axes.spines[["top", "right"]].set_visible(False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.savefig(path, dpi=90)
    return path


def draw(plots: Sequence[Plot], path: Path) -> None:
    """Draw the lines of some plots into one PNG file, side by side."""
    figure = Figure(figsize=(8 * len(plots), 4.5), layout="constrained")
    for plot, axes in zip(plots, figure.subplots(1, len(plots), squeeze=False)[0], strict=True):
        _lines(plot, axes)
    figure.savefig(path, dpi=90)


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
