"""A story is told scene by scene, and a table says at its end which went as told."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tabulate import tabulate


@dataclass(frozen=True, slots=True)
class Scene:
    """A `Scene` is what was expected of one step, and what was seen."""

    expected: str
    seen: str
    well: bool


async def play(
    acts: Mapping[str, Callable[[], Awaitable[Scene]]], say: Callable[[str], None]
) -> list[Scene]:
    """Play one act after the other, by their titles, and ``say`` how each went, and all in the end."""
    scenes = dict[str, Scene]()
    for number, (title, act) in enumerate(acts.items(), 1):
        say(f"\n{number}. {title}")
        scenes[title] = await act()
        say(f"   {'ok' if scenes[title].well else 'NOT AS TOLD'}: {scenes[title].seen}")
    say("\n" + _summary(scenes))
    return list(scenes.values())


def after(what: str, seconds: float | None) -> str:
    """Return when it was so; ``seconds`` is None for what was not so in time."""
    return f"not {what} in time" if seconds is None else f"{what} after {seconds:.1f} s"


def _summary(scenes: Mapping[str, Scene]) -> str:
    rows = [
        (title, scene.expected, scene.seen, "ok" if scene.well else "NO")
        for title, scene in scenes.items()
    ]
    return tabulate(rows, ["step", "expected", "seen", ""], maxcolwidths=[28, 20, 46, 4])
