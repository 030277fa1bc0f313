"""A coordinator in this process: its own store behind TLS, its registry, and what they know."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from musterd.errors import ConfigError, NotFound
from musterd.model import State
from musterd.settings.settings import Settings
from musterd.testing.authority import Authority
from musterd.testing.busy import allowed_now
from musterd.testing.mariadb import MariaDb
from musterd.testing.processes import held_port
from musterd_agent.agent import Agent
from musterd_agent.main import open_agent_store
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.wiring import running as coordinating
from tests.agent_support import running, settings_of
from tests.http_serving import until
from tests.service.nova_lab import NovaLab, nova_lab


def settings_in(directory: Path, store: str, **more: object) -> Settings:
    quick = {"service_down_time": allowed_now(2.5), "sweep_period": 0.05, "storm_min": 0}
    return replace(
        settings_of("h1", "h2", interval=allowed_now(0.2)),
        store=store,
        registry=f"sqlite:///{directory}/registry.db",
        **quick,
        **more,
    )


def up(office: CoordinatorService) -> set[str]:
    try:
        answer = office.query("compute", ["h1", "h2"])
    except NotFound:
        return set()
    return {name for name, verdict in answer.members.items() if verdict.state is State.UP}


async def test_a_forgotten_member_leaves_its_own_store_and_the_others_are_known_again(
    tmp_path: Path,
) -> None:
    authority = Authority()
    made = authority.issue()
    async with AsyncExitStack() as stack:
        port = stack.enter_context(held_port())
        settings = settings_in(
            *(tmp_path, f"embedded+tls://127.0.0.1:{port}"),
            ca_file=authority.file,
            tls_cert_file=made.cert,
            tls_key_file=made.key,
        )
        async with coordinating(settings) as office:
            agent = Agent(open_agent_store(settings, None), settings)
            async with running(agent):
                await until(lambda: up(office) == {"h1", "h2"}, 10)
            await agent.aclose()
            await office.forget("compute", "h1", force=True)
            await until(lambda: office.status().shards[0].beats == 1, 10)
        plain = settings_in(tmp_path, f"embedded://127.0.0.1:{port}", push_timeout=0.1)
        async with coordinating(plain) as office:
            assert office.member("compute", "h2").observed is State.UP
            with pytest.raises(NotFound):
                office.member("compute", "h1")


@pytest.fixture
def cells() -> Iterator[tuple[NovaLab, NovaLab]]:
    """The databases of two cells on one server."""
    with MariaDb(**MariaDb.cheap) as server, nova_lab(server) as one, nova_lab(server) as other:
        yield one, other


async def test_a_cell_that_is_mapped_while_it_runs_is_watched(
    tmp_path: Path, cells: tuple[NovaLab, NovaLab]
) -> None:
    lab, other = cells
    lab.come(["h1"])
    other.come(["h2"])
    async with coordinating(settings_in(tmp_path, lab.url, interval=0.2)) as office:
        await until(lambda: office.size == 1, 10)
        lab.map_cell("cell2", other)
        await until(lambda: office.size == 2, 10)
        assert office.member("compute", "h2").metadata["cell"] == "cell2"
        await until(lambda: all(shard.sweeps for shard in office.status().shards), 10)
        assert len(office.status().shards) == 4


async def test_a_store_behind_tls_needs_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no certificate to serve it with"):
        async with coordinating(settings_in(tmp_path, "embedded+tls://127.0.0.1:1")):
            pass
