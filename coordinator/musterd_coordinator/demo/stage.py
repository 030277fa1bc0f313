"""The audience sees lines of text, and under them, on a terminal, the roll as it is now."""

from collections.abc import Iterable

import anyio

from musterd.answers import GroupAnswer
from musterd.model import State
from musterd.status import StatusAnswer
from musterd_coordinator.demo.board import PERIOD, Board, until
from musterd_coordinator.demo.cast import GROUP
from musterd_coordinator.service.contract import CoordinatorApi


class Stage(Board):
    """A `Stage` is a board that watches every member all the while.

    ``accused`` are members that were answered anything but up though they were alive: their
    names, with the state and the reason that were given.
    """

    def __init__(self, desk: CoordinatorApi, members: int) -> None:
        super().__init__(members)
        self._desk = desk
        self._version = 0
        self.mortal: set[str] = set()
        self.accused: dict[str, str] = {}

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            self._watch()
            await anyio.sleep(PERIOD)

    async def until(self, names: Iterable[str], state: State, within: float) -> float | None:
        """Return the seconds until all of ``names`` were in ``state``; None when they were not in time."""
        waiting = set(names)

        def all_there() -> bool:
            waiting.difference_update([name for name in waiting if self._state(name) is state])
            return not waiting

        return await until(all_there, within)

    async def until_listening(self, listening: bool, within: float) -> float | None:
        """Return the seconds until the store was (or was not) listened to; None when not in time."""
        return await until(lambda: self.status().listening is listening, within)

    def silence(self, names: Iterable[str]) -> float:
        """Return the longest silence among ``names``, in seconds."""
        return max(self._desk.member(GROUP, name).silent_for for name in names)

    def status(self) -> StatusAnswer:
        """Return the coordinator's own account."""
        return self._desk.status()

    def _state(self, name: str) -> State | None:
        verdicts = self._group() and self._desk.query(GROUP, [name]).members
        return verdicts[name].state if verdicts and name in verdicts else None

    def _group(self) -> GroupAnswer | None:
        known = {summary.group for summary in self._desk.groups().groups}
        return self._desk.group(GROUP) if GROUP in known else None

    def _watch(self) -> None:
        for change in self._desk.changes_since(self._version, GROUP) or ():
            wrong = change.state in (State.SUSPECT, State.DOWN, State.LEFT)
            if wrong and change.member not in self.mortal:
                self.accused[change.member] = f"{change.state}: {change.reason}"
        group, status = self._group(), self.status()
        self._version = status.version
        states = group.states if group else {}
        others = [f"{n} {state}" for state, n in states.items() if n and state is not State.UP]
        hearing = "listening" if status.listening else f"NOT LISTENING: {status.shards[0].reason}"
        self.show("roll", states.get(State.UP, 0), ", ".join([*others, hearing]))
