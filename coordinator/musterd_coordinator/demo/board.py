"""The audience sees lines of text and, under them on a terminal, a bar of who is up now."""

import sys
from collections.abc import Callable

import anyio
from tqdm import tqdm

PERIOD = 0.1
_BAR = "   {desc} |{bar:30}| {n_fmt}/{total_fmt} up{postfix}"


class Board:
    """A `Board` shows how many of ``members`` are up, and what is said."""

    def __init__(self, members: int) -> None:
        self._bar = tqdm(total=members, bar_format=_BAR, disable=None, leave=False)

    def say(self, text: str) -> None:
        """Print a line of the story."""
        if self._bar.disable:
            print(text, flush=True)  # noqa: T201  # this is what the demo is for
        else:
            self._bar.write(text, file=sys.stdout)

    def show(self, whose: str, up: int, besides: str) -> None:
        """Show how many are ``up``, in whose opinion, and what is to be said besides."""
        self._bar.n = up
        self._bar.set_description_str(whose, refresh=False)
        self._bar.set_postfix_str(besides)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


async def until(true: Callable[[], bool], within: float) -> float | None:
    """Return the seconds until something was ``true``; None when it was not ``within`` so many."""
    began = anyio.current_time()
    while not true():
        if anyio.current_time() - began > within:
            return None
        await anyio.sleep(PERIOD / 2)
    return anyio.current_time() - began
