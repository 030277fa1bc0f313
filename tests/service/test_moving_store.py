"""The store's name moves, and the old server lives: agents come over, and nobody is down."""

from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import msgspec

from musterd.errors import NotFound
from musterd.model import State
from musterd.settings.settings import Settings
from musterd.stores import open_store
from musterd.testing import CuttingProxy, FakeNames
from musterd.testing.busy import allowed_now
from musterd.testing.servers import Memcached
from musterd_agent.agent import Agent
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.wiring import running as coordinating
from tests.agent_support import running, settings_of
from tests.conftest import StartMemcached
from tests.http_serving import until

MEMBERS = [f"h{number}" for number in range(6)]


async def proxied(stack: AsyncExitStack, server: Memcached, host: str, port: int) -> CuttingProxy:
    target_host, _, target_port = server.address.rpartition(":")
    proxy = CuttingProxy(target_host, int(target_port), listen_host=host, port=port)
    return await stack.enter_async_context(proxy)


async def test_nobody_is_down_and_all_come_over(
    start_memcached: StartMemcached, tmp_path: Path
) -> None:
    old, new = start_memcached(), start_memcached()
    async with AsyncExitStack() as stack:
        before = await proxied(stack, old, "127.0.0.2", 0)
        after = await proxied(stack, new, "127.0.0.3", before.port)
        names = stack.enter_context(FakeNames({"cache.test": ["127.0.0.2"]}))
        settings = msgspec.structs.replace(
            settings_of(*MEMBERS, interval=allowed_now(0.5)),
            store=f"memcached://cache.test:{before.port}",
            registry=f"sqlite:///{tmp_path}/registry.db",
            service_down_time=allowed_now(2.5),
            sweep_period=allowed_now(0.25),
            storm_min=0,
        )
        agents = [agent_of_one(settings, name) for name in MEMBERS]
        for agent in agents:
            stack.push_async_callback(agent.aclose)  # when none of them beats any longer
        await stack.enter_async_context(running(*agents))
        office = await stack.enter_async_context(coordinating(settings))
        await until(lambda: states(office) == {State.UP}, 10)
        names["cache.test"] = ["127.0.0.3"]
        seen = set[State]()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch, office, seen)
            await until(lambda: not before.connections and after.connections >= len(MEMBERS), 30)
            await anyio.sleep(1.1 * settings.service_down_time)  # and nobody was left behind
            tasks.cancel_scope.cancel()
        assert seen == {State.UP}


async def watch(office: CoordinatorService, seen: set[State]) -> None:
    while True:
        seen |= states(office)
        await anyio.sleep(0.05)


def agent_of_one(settings: Settings, name: str) -> Agent:
    own = [member for member in settings.members if member.member == name]
    settings = msgspec.structs.replace(settings, listed=tuple(own))
    store = open_store(
        settings.store,
        namespace=settings.namespace,
        timeout=settings.effective_push_timeout,
        beat_ttl=settings.beat_ttl,
    )
    return Agent(store, settings)


def states(office: CoordinatorService) -> set[State]:
    try:
        answer = office.query("compute", MEMBERS)
    except NotFound:
        return set()
    missing = {State.UNKNOWN} if answer.not_found else set()
    return missing | {verdict.state for verdict in answer.members.values()}
