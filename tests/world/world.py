"""One world: stores, agents, coordinators and readers of one seed, what befalls them, and a judge."""

from random import Random

import anyio
import msgspec

from musterd.answers import History, MemberAnswer, QueryAnswer
from musterd.beat import Beat, Status, member_id
from musterd.client.view import EventParser, GroupView
from musterd.errors import RegistryError
from musterd_coordinator.http.app import App
from tests.world.asking import ask, follow
from tests.world.disk import Disk
from tests.world.hosts import (
    GROUP,
    NAMESPACE,
    CoordinatorRun,
    HostClock,
    WorldDriver,
    agent_of,
)
from tests.world.judge import Judge
from tests.world.lives import Life
from tests.world.network import Road, StoreServer
from tests.world.options import Options

COORDINATORS = 2
LOOK_EVERY = 1.0
GROUP_PATH = f"/v1/groups/{GROUP}"


class AgentHost:
    """A host whose agent runs, ends and comes back."""

    def __init__(self, world: "World", number: int) -> None:
        options = world.options
        self.name = f"h{number:03}"
        self.rng = Random(f"agent {options.seed} {number}")
        self.road = Road(self.rng, options.delay, options.loss)
        self.clock = HostClock()
        driver = WorldDriver(world.servers, self.road, options, self._took)
        placed = driver.store().place(member_id(NAMESPACE, GROUP, self.name))
        self.life = Life(options.interval + options.push_timeout, placed)
        self.road.lost = lambda: self.life.close(anyio.current_time(), anyio.current_time())
        self._world, self._number, self._driver = world, number, driver
        self._scope: anyio.CancelScope | None = None
        self._leaves = False
        self._away = 0.0

    async def run(self) -> None:
        """Run agents for ever, one after the other."""
        self.life.begin(anyio.current_time())
        while True:
            agent = agent_of(self._world.options, self._number, self._driver, self.rng, self.clock)
            with anyio.CancelScope() as self._scope:
                await agent.run()
            if self._leaves:
                await agent.leave()
            await agent.aclose()
            await anyio.sleep(self._away)
            self.life.begin(anyio.current_time())
            self._world.note(f"{self.name} begins again")

    def end(self, away: float, *, leaves: bool) -> None:
        """End the agent; another one begins after ``away`` seconds."""
        if self._scope is None or not self.life.alive:
            return
        self._leaves, self._away = leaves, away
        self.life.die(anyio.current_time(), goodbye=leaves)
        self._scope.cancel()

    def _took(self, shard: int, beat: Beat) -> None:
        self._world.note(f"{self.name} beats {beat.sequence} to {shard}")
        if beat.status != Status.LEAVING:
            self.life.took(shard, anyio.current_time())


class CoordinatorHost:
    """A host whose coordinator runs, ends and comes back, and a reader that follows it."""

    def __init__(self, world: "World", number: int) -> None:
        self.number, self.runs, self.app = number, 0, None
        self.disk = Disk()
        self.rng = Random(f"coordinator {world.options.seed} {number}")
        self.road = Road(self.rng, world.options.delay, world.options.loss)
        self.view = GroupView(GROUP)
        self.run_of_view = 0
        self.current: CoordinatorRun | None = None
        self._world = world
        self._driver = WorldDriver(world.servers, self.road, world.options)
        self._scope = self._reader = anyio.CancelScope()
        self._away = 0.0

    @property
    def serving(self) -> App | None:
        """What answers now, if anything does."""
        return None if self.current is None else self.current.app

    async def run(self) -> None:
        """Run coordinators for ever, one after the other."""
        while True:
            self._away = 1.0
            self.runs += 1
            run = CoordinatorRun(
                self._world.options, self.number, self._driver, self.disk, self.rng
            )
            self.current = run
            with anyio.CancelScope() as self._scope:
                try:
                    await run.run()
                except RegistryError as error:
                    self._world.note(f"c{self.number} cannot begin: {error}")
            self.current = None
            await anyio.sleep(self._away)

    def end(self, away: float, *, crashes: bool) -> None:
        """End it; another one begins after ``away`` seconds."""
        if self.current is None or self.current.app is None:
            return
        self._away = away
        self.current.registry.severed = crashes
        self.current.app = None
        self._reader.cancel()
        self._scope.cancel()

    async def read(self) -> None:
        """Follow its events for ever, as a replica does."""
        while True:
            app, parser = self.serving, EventParser()
            if app is not None:
                self.view.restart()
                run = self.runs

                def told(piece: bytes, parser: EventParser = parser, run: int = run) -> None:
                    for event in parser.feed(piece):
                        self.view.apply(event)
                        self.run_of_view = run
                        if self.view.whole:
                            self._world.judge.saw(
                                f"r{self.number}", self.number, run, self.view.members
                            )

                since = f"&since={self.view.resume}" if self.view.resume else ""
                with anyio.CancelScope() as self._reader:
                    await follow(app, f"/v1/events?group={GROUP}{since}", told)
            await anyio.sleep(0.5)

    async def look(self) -> None:
        """Ask for all members once a while, and for what orders said."""
        while True:
            await anyio.sleep(LOOK_EVERY)
            app, run = self.serving, self.runs
            if app is not None:
                await self._look(app, run)

    async def verdicts(self, app: App) -> QueryAnswer | None:
        """Ask for all members."""
        asked = {"members": list(self._world.lives)}
        status, body = await ask(app, "POST", f"{GROUP_PATH}/query", asked)
        return msgspec.json.decode(body, type=QueryAnswer) if status == 200 else None

    async def _look(self, app: App, run: int) -> None:
        judge, number = self._world.judge, self.number
        answer = await self.verdicts(app)
        if answer is None or app is not self.serving:
            return
        judge.saw(f"c{number}", number, run, answer.members)
        judge.saw_version(number, run, answer.version, answer.members)
        if self.run_of_view == run and self.view.version == answer.version and self.view.whole:
            judge.agree(f"r{number}", answer.version, self.view.members, answer.members)
        for name, _ in judge.ordered(number):
            _, body = await ask(app, "GET", f"{GROUP_PATH}/members/{name}")
            told = dict(judge.ordered(number)).get(name)  # another order may be under way by now
            if app is self.serving and told is not None:
                found = msgspec.json.decode(body, type=MemberAnswer)
                if found.disabled != told:
                    judge.breaks(f"c{number} lost the order for {name}: disabled={told}")

    async def order(self, name: str, *, disabled: bool) -> None:
        """Have it disable a member, or enable it."""
        app, judge = self.serving, self._world.judge
        if app is None:
            return
        judge.order(self.number, name, None)
        change = {"disabled": disabled, "reason": "world"}
        status, _ = await ask(app, "PATCH", f"{GROUP_PATH}/members/{name}", change)
        self._world.note(f"c{self.number} was told {name} disabled={disabled}: {status}")
        if status == 200:
            judge.order(self.number, name, disabled)

    async def check_history(self, app: App) -> None:
        """Have the history of all members judged."""
        for name in self._world.lives:
            path = f"{GROUP_PATH}/members/{name}/history?limit=1000"
            status, body = await ask(app, "GET", path)
            if status == 200:
                history = msgspec.json.decode(body, type=History)
                self._world.judge.history(self.number, name, list(history.changes))


class World:
    """All of it, made of ``options``; ``trace`` has a line for whatever happened."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.trace: list[str] = []
        self.servers: list[StoreServer] = []
        self.agents: list[AgentHost] = []
        self.coordinators: list[CoordinatorHost] = []
        self.lives: dict[str, Life] = {}
        self.judge = Judge(options, self.lives, self.note)

    def note(self, line: str) -> None:
        """Add to the trace."""
        self.trace.append(f"{anyio.current_time():.6f} {line}")

    async def run(self) -> None:
        """Let it all happen, then let everything work, and judge what is left."""
        from tests.world.events import befall, heal, judge_end

        options = self.options
        self.servers += [StoreServer(f"s{number}:1") for number in range(options.stores)]
        self.agents += [AgentHost(self, number) for number in range(options.members)]
        self.lives.update({host.name: host.life for host in self.agents})
        self.coordinators += [CoordinatorHost(self, number) for number in range(COORDINATORS)]
        async with anyio.create_task_group() as tasks:
            for agent in self.agents:
                tasks.start_soon(agent.run)
            for coordinator in self.coordinators:
                tasks.start_soon(coordinator.run)
                tasks.start_soon(coordinator.read)
                tasks.start_soon(coordinator.look)
            await befall(self, tasks)
            heal(self)
            await anyio.sleep(options.bound)
            await judge_end(self)
            tasks.cancel_scope.cancel()
