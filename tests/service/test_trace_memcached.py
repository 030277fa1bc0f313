"""A coordinator in this process keeps a trace of agents that beat to a real memcached."""

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from musterd.model import State
from musterd.settings.settings import Settings
from musterd.testing.busy import allowed_now
from musterd.testing.servers import Memcached
from musterd.trace.lines import RuleChange, ShardTurn, TraceMember, VerdictChange
from musterd_agent.agent import Agent
from musterd_agent.main import open_agent_store
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.wiring import running as coordinating
from tests.agent_support import running, settings_of
from tests.http_serving import until
from tests.trace_reading import headers_in, lines_in


def settings_in(directory: Path, store: str) -> Settings:
    return replace(
        settings_of("h1", "h2", interval=allowed_now(0.2)),
        store=store,
        registry=f"sqlite:///{directory}/registry.db",
        service_down_time=allowed_now(2.5),
        sweep_period=0.05,
        sweep_timeout=allowed_now(0.5),
        storm_min=0,
        trace_dir=str(directory / "trace"),
        trace_anonymous=True,
    )


def are_up(office: CoordinatorService) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            answer = office.query("compute", ["h1", "h2"])
        except Exception:  # noqa: BLE001 (nobody is known yet)
            return False
        return [verdict.state for verdict in answer.members.values()] == [State.UP] * 2

    return ask


async def test_novas_rule_loses_all_with_their_server_and_musterd_nobody(
    tmp_path: Path, memcached: Memcached
) -> None:
    settings = settings_in(tmp_path, memcached.url)
    async with coordinating(settings) as office:
        agent = Agent(open_agent_store(settings, None), settings)
        async with running(agent):
            await until(are_up(office), 10)
            memcached.stop()
            await until(lambda: not office.shard_statuses()[0].listening, 10)
            memcached.start()
            await until(lambda: office.shard_statuses()[0].listening, 10)
            await until(lambda: office.shard_statuses()[0].beats == 2, 10)
        await agent.aclose()
    folder = tmp_path / "trace"
    [header] = headers_in(folder)
    assert (header.source, header.shards, header.rules) == ("memcached", ["s0"], ["mc"])
    assert sorted(line.name for line in lines_in(folder, TraceMember)) == ["m0001", "m0002"]
    told = [(line.rule, line.alive) for line in lines_in(folder, RuleChange)]
    assert told[:2] == [("mc", 0)] * 2
    assert told[-2:] == [("mc", 1)] * 2
    assert {line.kind for line in lines_in(folder, ShardTurn)} > {"", "away"}
    states = {line.state for line in lines_in(folder, VerdictChange)}
    assert states <= {"up", "left"}
