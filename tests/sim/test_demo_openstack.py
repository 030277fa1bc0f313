"""The story of an OpenStack, told of a made-up one: what goes as told, and what does not."""

from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from musterd.model import State
from musterd_coordinator.demo.board import Board
from musterd_coordinator.demo.openstack.asking import Controller
from musterd_coordinator.demo.openstack.opinions import Opinions
from musterd_coordinator.demo.openstack.play import Play
from musterd_coordinator.demo.openstack.story import acts_of
from musterd_coordinator.demo.scenes import Scene, play

NAMES = [f"host-{number}" for number in range(10)]


class MadeUp(Play):
    """A `MadeUp` is an OpenStack that knows the truth at once, but for its ``faults``."""

    def __init__(self, *faults: str) -> None:
        self._faults = faults
        self._drivers = iter(["db", "mc", "mc" if "stays on" in faults else "db"])
        hosts = SimpleNamespace(ready={"hosts": NAMES}, order=self._order)
        made_up = SimpleNamespace(
            url="http://127.0.0.1:1",
            by_db=None,
            by_door=None,
            watch=self._watch,
            check=lambda: (int("bites" in faults), "what --check says"),
            switch_off=lambda: None,
            report=lambda: ("what the report says", self._report()),
            database=SimpleNamespace(stop=self._stop, start=self._start),
            coordinator=SimpleNamespace(kill=self._kill, start=self._hear),
            door=SimpleNamespace(start=lambda: None),
        )
        board = Board(len(NAMES))
        super().__init__(
            cast(Any, None), cast(Any, made_up), cast(Any, hosts), board, cast(Any, None)
        )
        self.hears(False)

    def hears(self, listening: bool) -> None:
        """Have the coordinator be listening or not."""
        states = {State.UP: len(NAMES)}
        status = SimpleNamespace(ready=True, listening=listening, states=states)
        self.musterd.status = cast(Any, status)

    def controller(self, conf: Any) -> Controller:
        stop = SimpleNamespace(opinions=Opinions(), driver=next(self._drivers), failed="")
        stop.stop = lambda: None
        return cast(Controller, stop)

    async def start(self, controller: Controller) -> None:
        controller.opinions.take(anyio.current_time(), self.dead)

    async def do(self, blocking: Any) -> Any:
        return blocking()

    async def _order(self, order: str, host: str) -> None:
        if "immortal" not in self._faults:
            self._say(self.by_db, self.dead)
            self._say(self.by_door, self.dead)

    def _say(self, controller: Controller, down: Any) -> None:
        controller.opinions.take(anyio.current_time(), down)

    def _watch(self) -> None:
        self.hears("never heard" not in self._faults)
        if "never heard" in self._faults:
            self.musterd.status = None

    def _stop(self) -> None:
        self.hears(False)
        self._say(self.by_door, NAMES if "accuses" in self._faults else self.dead)
        if "fails" in self._faults:
            self.by_door.failed = "TimeoutError"

    def _start(self) -> None:
        self._hear()
        self._say(self.by_db, self.dead if "nova is right" in self._faults else NAMES)
        self._say(self.by_db, self.dead)
        self._say(self.by_door, self.dead)

    def _report(self) -> Any:
        ours = 1 if "recorded" in self._faults else 0
        wrong = {"db": 9, "musterd": ours}
        judges = {judge: SimpleNamespace(members=count) for judge, count in wrong.items()}
        deaths = SimpleNamespace(found={"db": 1, "musterd": 1})
        return SimpleNamespace(total=SimpleNamespace(judges=judges, deaths=deaths))

    def _kill(self) -> None:
        self.musterd.status = None

    def _hear(self) -> None:
        self.hears(True)


async def told(made_up: MadeUp) -> list[Scene]:
    """Tell its story."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made_up.show)
        scenes = await play(acts_of(made_up), made_up.board.say)
        tasks.cancel_scope.cancel()
    made_up.board.close()
    return scenes


async def test_an_openstack_that_behaves_is_told_as_expected(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scenes = await told(MadeUp())
    assert [scene.well for scene in scenes] == [True] * 7
    assert "called 9 of 9 living hosts down" in scenes[3].seen
    printed = capsys.readouterr().out
    assert printed.count("   ok: ") == 7
    assert "   what --check says\n" in printed


@pytest.mark.parametrize(
    ("fault", "wrong", "seen"),
    [
        ("never heard", [0], "not all 10 up in time"),
        ("bites", [1], "0 are down"),
        ("immortal", [2], "not down by Nova's rule in time; not down by the door in time"),
        ("accuses", [3], "the door called 9 living hosts down, for 20.0 s"),
        ("fails", [3, 4], "a question to the door failed: TimeoutError"),
        ("nova is right", [3], "called 0 of 9 living hosts down"),
        ("stays on", [5], "asks by its driver mc"),
        ("recorded", [6], "musterd called 1 living hosts down, and found 1 dead"),
    ],
)
async def test_what_goes_wrong_is_said(fault: str, wrong: list[int], seen: str) -> None:
    scenes = await told(MadeUp(fault))
    assert [at for at, scene in enumerate(scenes) if not scene.well] == wrong
    assert all(seen in scenes[at].seen for at in wrong)
