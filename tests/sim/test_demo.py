"""The demo's story, told of a made-up fleet: what goes as told, and what does not."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from musterd.errors import ConfigError
from musterd.model import State
from musterd_coordinator.demo import run, story
from musterd_coordinator.demo.cast import GROUP, Cast
from musterd_coordinator.demo.scenes import Scene
from musterd_coordinator.demo.stage import Stage
from musterd_coordinator.service.contract import CoordinatorApi

NAMES = [f"host-{number}" for number in range(5)]
HOSTS = NAMES[-3:]


class Fleet:
    """A `Fleet` is the cast and the desk in one, and knows the truth at once.

    ``faults`` are what goes wrong.
    """

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        self.names, self.hosts, self.store = NAMES, HOSTS, self
        self.states: dict[str, State] = {}
        self.listening = True
        self.changes: list[Any] = []

    def start(self) -> None:
        """Start all, or the store alone once all run."""
        if self.states:
            self.resume()
        else:
            self.states = dict.fromkeys(NAMES, State.UP)

    def kill_hosts(self) -> None:
        """Kill the three, who are found."""
        if "immortal" not in self.faults:
            self.states |= dict.fromkeys(HOSTS, State.DOWN)
        self._change(HOSTS[0], State.DOWN)

    def start_hosts(self) -> None:
        """Bring them back."""
        self.states |= dict.fromkeys(HOSTS, State.UP)
        self._change(HOSTS[0], State.UP)

    def pause(self) -> None:
        """Hang."""
        self.listening = "never deaf" in self.faults
        if "accuses" in self.faults:
            self._change(NAMES[0], State.SUSPECT)

    kill = pause

    def resume(self) -> None:
        """Be heard again."""
        self.listening = True

    def _change(self, name: str, state: State) -> None:
        self.changes.append(SimpleNamespace(member=name, state=state, reason="silent"))

    def groups(self) -> Any:
        """Return the groups that were seen."""
        seen = [SimpleNamespace(group=GROUP)] if self.states else []
        return SimpleNamespace(groups=seen)

    def group(self, group: str) -> Any:
        """Return how many are in which state."""
        states = list(self.states.values())
        return SimpleNamespace(states={state: states.count(state) for state in State})

    def query(self, group: str, names: list[str]) -> Any:
        """Return the verdicts."""
        return SimpleNamespace(members={n: SimpleNamespace(state=self.states[n]) for n in names})

    def member(self, group: str, name: str) -> Any:
        """Return one's silence."""
        return SimpleNamespace(silent_for=99.0 if "silent" in self.faults else 0.5)

    def status(self) -> Any:
        """Return whether the store is heard."""
        shards = [SimpleNamespace(reason="it hangs")]
        return SimpleNamespace(listening=self.listening, version=1, shards=shards)

    def changes_since(self, version: int, group: str) -> Iterator[Any]:
        """Return what changed since the last call."""
        changes, self.changes = self.changes, []
        return iter(changes)


async def told(fleet: Fleet) -> list[Scene]:
    """Tell the story of ``fleet``."""
    stage = Stage(cast(CoordinatorApi, fleet), len(NAMES))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run)
        scenes = await story._play(cast(Cast, fleet), stage, "http://127.0.0.1:1")
        tasks.cancel_scope.cancel()
    stage.close()
    return scenes


async def test_a_fleet_that_behaves_is_told_as_expected(capsys: pytest.CaptureFixture[str]) -> None:
    scenes = await told(Fleet())
    assert [scene.well for scene in scenes] == [True] * 5
    printed = capsys.readouterr().out
    assert printed.count("   ok: ") == 5
    assert "NOT AS TOLD" not in printed


@pytest.mark.parametrize(
    ("fault", "wrong", "seen"),
    [
        ("immortal", [1], "not down in time"),
        ("never deaf", [2, 3], "not not listening in time"),
        ("accuses", [2, 3], "1 alive accused, such as host-0: suspect: silent"),
        ("silent", [2, 3], "silent for 99.0 s"),
    ],
)
async def test_what_goes_wrong_is_said_and_the_step_did_not_go_as_told(
    fault: str, wrong: list[int], seen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = await told(Fleet(fault))
    assert [at for at, scene in enumerate(scenes) if not scene.well] == wrong
    assert all(seen in scenes[at].seen for at in wrong)
    assert capsys.readouterr().out.count("NOT AS TOLD") == len(wrong)


def test_a_fleet_needs_somebody_who_stays() -> None:
    with pytest.raises(ConfigError, match="take at least 4"):
        run(cast(Any, SimpleNamespace(members=3, keep=False, nova=False)))
