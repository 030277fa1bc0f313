"""The door to Nova in this process: when it opens, what it answers, and what it leaves for the next run."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any

import anyio
import anyio.to_thread
import pytest
from structlog.testing import capture_logs

from musterd.errors import ConfigError
from musterd.model import Member, State, Verdict
from musterd.settings.settings import Settings
from musterd.systemd import Systemd
from musterd.testing.authority import Authority
from musterd.testing.processes import HOST, held_port
from musterd.testing.servers import Memcached
from musterd_coordinator.nova import lastview
from musterd_coordinator.nova.beside import OwnDoor
from musterd_coordinator.nova.ownroll import OwnRoll
from musterd_coordinator.nova.service import DoorService, running
from musterd_coordinator.nova.values import key_of
from musterd_coordinator.steps import whole
from tests.http_desk import DictDesk
from tests.http_serving import served, until
from tests.nova_client import NovaClient
from tests.nova_values import cached

BEAT = cached(datetime(2026, 11, 30), 5)  # noqa: DTZ001  # as Nova writes it
UP = Verdict(up=True, schedulable=True, down=False, state=State.UP)
H1, H2, OTHER = (key_of("compute", name) for name in ("h1", "h2", "azcache"))


@pytest.fixture
def desk() -> DictDesk:
    """Two members, both up."""
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("compute", "h2"))
    return desk


def settings_for(
    port: int, folder: Path, *coordinators: str, nova_groups: str = "compute", **more: Any
) -> Settings:
    return Settings(
        nova_groups=nova_groups,
        **more,
        coordinator=",".join(coordinators),
        nova_listen=f"{HOST}:{port}",
        nova_view=str(folder / "view"),
        service_down_time=4.0,
        interval=1.0,
    )


@asynccontextmanager
async def door(settings: Settings) -> AsyncIterator[DoorService]:
    async with running(settings, Systemd.from_environment({})) as service:
        yield service


def authority_context(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.file)


async def told(port: int, key: bytes) -> bytes | None:
    """What Nova is told of ``key``."""

    def ask() -> bytes | None:
        with NovaClient((HOST, port)) as client:
            return client.get(key)

    return await anyio.to_thread.run_sync(ask)


async def facts(port: int) -> dict[str, str]:
    def ask() -> dict[str, str]:
        with NovaClient((HOST, port)) as client:
            return client.facts()

    return await anyio.to_thread.run_sync(ask)


async def store(port: int, key: bytes, value: bytes = b"anything") -> bytes:
    def write() -> bytes:
        with NovaClient((HOST, port)) as client:
            return client.set(key, value)

    return await anyio.to_thread.run_sync(write)


async def test_it_tells_what_a_coordinator_says_and_keeps_all_else(
    desk: DictDesk, tmp_path: Path
) -> None:
    with held_port() as port:
        async with served(desk) as url, door(settings_for(port, tmp_path, url)) as service:
            assert None not in (await told(port, H1), await told(port, H2))
            desk.put(Member("compute", "h1"), state=State.DOWN, reason="silent for 5 s")
            await until(lambda: service.following.verdicts[H1].down)
            assert await told(port, H1) is None
            assert await store(port, OTHER) == b"STORED"
            assert await told(port, OTHER) == b"anything"
            assert (await facts(port))["members_down"] == "1"
            await until(lambda: service.following.listening)
            desk.listen(False, 9.0)
            await until(lambda: not service.following.listening)
            assert "does not hear its store" in service.door.summary()


async def test_it_begins_with_its_last_view_where_no_coordinator_is(
    desk: DictDesk, tmp_path: Path
) -> None:
    with held_port() as port:
        async with served(desk) as url, door(settings_for(port, tmp_path, url)):
            pass
        async with door(settings_for(port, tmp_path, url)) as service:
            assert await told(port, H1) is not None
            assert (await facts(port))["listening"] == "0"
            await until(lambda: url.removeprefix("http://") in service.following.origin)
            service.renew()


async def test_a_view_is_written_when_it_changes_and_else_its_time(
    desk: DictDesk, tmp_path: Path
) -> None:
    file = tmp_path / "view"
    with held_port() as port:
        async with served(desk) as url, door(settings_for(port, tmp_path, url)) as service:
            await service.save()
            first = file.stat().st_ino
            await service.save()
            assert file.stat().st_ino == first
            desk.put(Member("compute", "h1"), state=State.DOWN, reason="silent for 5 s")
            await until(lambda: service.following.verdicts[H1].down)
            await service.save()
            assert file.stat().st_ino != first
            file.unlink()
            await service.save()  # in vain, and so all of it is written next time
            await service.save()
            assert file.exists()


async def test_a_view_gets_no_younger_by_being_saved_again(desk: DictDesk, tmp_path: Path) -> None:
    file = tmp_path / "view"
    with held_port() as port:
        settings = settings_for(port, tmp_path, "http://127.0.0.1:1")
        verdicts = dict.fromkeys((H1, H2), UP)
        lastview.write(
            file, 0.0, whole(lastview.packed({"compute": "compute"}, verdicts, [], time() - 20))
        )
        async with door(settings) as service:
            assert service.following.age >= 20
            await service.save()
            last = lastview.read(file, {"compute": "compute"}, time())
    assert last is not None
    assert last.age >= 20


async def test_a_view_that_cannot_be_saved_is_told_of_once(desk: DictDesk, tmp_path: Path) -> None:
    with held_port() as port, capture_logs() as logged:
        async with served(desk) as url:
            settings = settings_for(port, tmp_path / "nowhere", url)
            async with door(settings) as service:
                for _ in range(2):
                    await service.save()
    warned = [line for line in logged if line["event"] == "last view not saved"]
    assert [line["file"] for line in warned] == [settings.nova_view]


async def test_it_answers_by_tls_too(desk: DictDesk, tmp_path: Path, authority: Authority) -> None:
    made = authority.issue("door")
    files = {"tls_cert_file": made.cert, "tls_key_file": made.key}
    with held_port() as port:
        async with served(desk) as url:
            settings = settings_for(port, tmp_path, url, nova_tls=True, **files)
            async with door(settings) as service:

                def ask() -> bytes | None:
                    with NovaClient((HOST, port), authority_context(authority)) as client:
                        return client.get(H1)

                assert await anyio.to_thread.run_sync(ask) is not None
                service.renew()


async def test_tls_without_a_certificate_is_refused(desk: DictDesk, tmp_path: Path) -> None:
    with held_port() as port:
        settings = settings_for(port, tmp_path, "http://127.0.0.1:1", nova_tls=True)
        with pytest.raises(ConfigError, match="tls_cert_file"):
            async with door(settings):
                pass


async def test_a_door_that_beats_into_itself_is_refused(tmp_path: Path) -> None:
    with held_port() as port:
        settings = settings_for(
            *(port, tmp_path, "http://127.0.0.1:1"),
            store=f"memcached://{HOST}:{port}",
            member="ctl1",
            nova_beat_for="conductor",
            nova_groups="compute,conductor",
        )
        with pytest.raises(ConfigError, match="the store is the door itself"):
            async with door(settings):
                pass


async def test_a_door_beats_for_a_service_of_its_host(
    desk: DictDesk, tmp_path: Path, memcached: Memcached
) -> None:
    key = key_of("conductor", "ctl1")
    desk.put(Member("conductor", "ctl1"))
    with held_port() as port:
        async with served(desk) as url:
            settings = settings_for(
                *(port, tmp_path, url),
                store=memcached.url,
                namespace=f"door-{port}",
                member="ctl1",
                nova_beat_for="conductor",
                nova_groups="compute,conductor",
            )
            async with door(settings) as service:
                assert await store(port, key, BEAT) == b"STORED"
                herald = service.door.herald
                assert herald is not None
                one = herald._services[key]  # nobody else is told of these beats
                await until(lambda: not one.is_under_way and one._announced)


async def test_a_coordinators_own_door_follows_its_roll(desk: DictDesk, tmp_path: Path) -> None:
    desk.ready = False
    with held_port() as port:
        own = OwnDoor(settings_for(port, tmp_path), desk)
        await own.check()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(own.run)
            desk.ready = True
            await until(lambda: own.door.knowledge.verdicts)
            while True:
                try:
                    assert await told(port, H1) is not None
                    break
                except ConnectionRefusedError:
                    await anyio.sleep(0.01)
            desk.put(Member("compute", "h1"), state=State.DOWN, reason="silent for 5 s")
            await until(lambda: own.door.knowledge.verdicts[H1].down)
            assert await told(port, H1) is None
            own.renew()
            tasks.cancel_scope.cancel()


async def test_a_coordinators_own_door_asks_for_those_that_are_late(desk: DictDesk) -> None:
    roll = OwnRoll(desk, {"compute": "compute"})
    late = [member.member async for member in roll.late("compute", 0.0)]
    assert late == ["h1", "h2"]
    assert [member async for member in roll.late("nobody", 0.0)] == []
    assert (roll.listening, roll.origin) == (True, "this coordinator")
    assert roll.age == desk.staleness


async def test_a_roll_that_forgot_what_changed_is_read_anew(desk: DictDesk) -> None:
    desk = DictDesk(log_size=1)
    desk.put(Member("compute", "h1"))
    roll = OwnRoll(desk, {"compute": "compute"})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(roll.run)
        await roll.known()
        for number in range(3):
            desk.put(Member("compute", f"new-{number}"))
        await until(lambda: key_of("compute", "new-2") in roll.verdicts)
        tasks.cancel_scope.cancel()
