"""The rules that no world may break. It knows the truth and what was answered, and no detector."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import anyio

from musterd.model import Transition, Verdict
from tests.world.lives import GONE, Life
from tests.world.options import Options

Seen = Mapping[str, Verdict]


class Judge:
    """Sees each answer; ``broken`` are the rules that were broken, the first one first."""

    def __init__(
        self, options: Options, lives: dict[str, Life], note: Callable[[str], None]
    ) -> None:
        self.broken: list[str] = []
        self.answers = 0
        self._options = options
        self._lives = lives
        self._note = note
        self._last: dict[tuple[str, str], str] = {}  # by who answered and member
        self._accused: set[tuple[int, str]] = set()  # rightly, by this coordinator
        self._versions: dict[tuple[int, int, int, str], Verdict] = {}
        self._told: dict[tuple[int, str], bool] = {}  # what acknowledged orders said
        # Answers tell of a sweep that began so long ago, and of beats from before it.
        self._lag = 5.0 + 4 * options.period + options.push_timeout
        certain = options.limit - 2 * options.interval - options.push_timeout - 2 * options.period
        self._excused_from = max(0.0, certain)

    def saw(self, who: str, number: int, run: int, seen: Seen) -> None:
        """Judge what ``who`` says of members, by what coordinator ``number`` said in this run."""
        for name, verdict in seen.items():
            self.answers += 1
            before = self._last.get((f"{who}.{run}", name))
            state = verdict.state.value
            if state == before:
                continue
            self._last[f"{who}.{run}", name] = state
            self._note(f"{who}.{run} {name} {before} -> {state}")
            if state in GONE and before not in GONE:
                self._accuse(who, number, name, state, first=before is None)

    def saw_version(self, number: int, run: int, version: int, seen: Seen) -> None:
        """Judge that a version has one verdict on each member."""
        for name, verdict in seen.items():
            known = self._versions.setdefault((number, run, version, name), verdict)
            if known != verdict:
                self.breaks(
                    f"c{number}.{run} version {version} says {known} and {verdict} of {name}"
                )

    def agree(self, who: str, version: int, replica: Seen, answer: Seen) -> None:
        """Judge that a replica says what its coordinator says at the same version."""
        for name in answer:
            if replica.get(name) != answer[name]:
                self.breaks(
                    f"{who} at version {version} says {replica.get(name)} of {name},"
                    f" its coordinator {answer[name]}"
                )

    def order(self, number: int, name: str, disabled: bool | None) -> None:
        """Note an order that was acknowledged; None: one is under way, or was not."""
        if disabled is None:
            self._told.pop((number, name), None)
        else:
            self._told[number, name] = disabled

    def ordered(self, number: int) -> list[tuple[str, bool]]:
        """Return what a coordinator must still know of orders."""
        return [(name, told) for (whose, name), told in self._told.items() if whose == number]

    def history(self, number: int, name: str, newest_first: list[Transition]) -> None:
        """Judge that the history tells each change once, in order."""
        lines = newest_first[::-1]
        for before, after in pairwise(lines):
            if after.old != before.new:
                self.breaks(
                    f"c{number}'s history of {name}: {before.old} -> {before.new},"
                    f" then {after.old} -> {after.new}"
                )

    def _accuse(self, who: str, number: int, name: str, state: str, *, first: bool) -> None:
        excuse = self._lives[name].excuse(anyio.current_time(), self._lag)
        if first and (number, name) in self._accused:
            return  # it began with what its registry said
        if excuse <= self._excused_from:
            self.breaks(f"{who} calls {name} {state}, which was closed for {excuse:.3f} s only")
        self._accused.add((number, name))

    def breaks(self, rule: str) -> None:
        """Note a broken rule."""
        self.broken.append(f"{anyio.current_time():.3f} {rule}")
        self._note(f"BROKEN {rule}")
