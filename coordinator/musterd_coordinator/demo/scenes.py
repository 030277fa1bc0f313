"""A story is told scene by scene, and a table says at its end which went as told."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from musterd.cli import render


@dataclass(frozen=True, slots=True)
class Scene:
    """A `Scene` is what was expected of one step, and what was seen."""

    expected: str
    seen: str
    well: bool


async def play(
    acts: Mapping[str, Callable[[], Awaitable[Scene]]],
    say: Callable[[str], None],
    paint: render.Paint | None = None,
) -> list[Scene]:
    """Play one act after the other, by their titles, and ``say`` how each went, and all in the end.

    ``paint`` colours that, as standard output welcomes it unless it is given.
    """
    paint = paint or render.paint()
    scenes = dict[str, Scene]()
    for number, (title, act) in enumerate(acts.items(), 1):
        say(f"\n{number}. {title}")
        scenes[title] = await act()
        say(f"   {_word(scenes[title], paint, 'NOT AS TOLD')}: {scenes[title].seen}")
    say("\n" + _summary(scenes, paint))
    return list(scenes.values())


def after(what: str, seconds: float | None) -> str:
    """Return when it was so; ``seconds`` is None for what was not so in time."""
    return f"not {what} in time" if seconds is None else f"{what} after {seconds:.1f} s"


def _word(scene: Scene, paint: render.Paint, otherwise: str) -> str:
    return paint("ok", "green") if scene.well else paint(otherwise, "red")


def _summary(scenes: Mapping[str, Scene], paint: render.Paint) -> str:
    rows = [
        (title, scene.expected, scene.seen, _word(scene, paint, "NO"))
        for title, scene in scenes.items()
    ]
    return render.table(("STEP", "EXPECTED", "SEEN", ""), rows)
