"""An unmodified Nova is told by each of its clients who is up, and finds a memcached for all else."""

import pytest
from benchmarks.peers.asker import BACKENDS, NovaAsker, options_of

from musterd.model import FactsChange
from musterd.testing.authority import Authority
from musterd.testing.daemons import Setting
from tests.nova.conftest import HOSTS, Cloud, StartNova
from tests.patiently import until

NOBODY = "host-that-is-none"


def knows_who_is_up(nova: NovaAsker) -> None:
    told = nova.ask([*HOSTS, NOBODY])
    assert [told[host][0] for host in HOSTS] == [True] * len(HOSTS)
    assert all(age is not None and -1 < age < 30 for _, age in map(told.__getitem__, HOSTS))
    assert told[NOBODY] == (False, None)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_client_is_told_who_is_up_and_when_it_was_seen(
    backend: str, cloud: Cloud, start_nova: StartNova
) -> None:
    nova = start_nova(options_of(backend, cloud.door().address))
    knows_who_is_up(nova)
    cloud.agents["h1"].kill()
    until(lambda: not nova.is_up("h1"), "down")
    change = cloud.coordinator.client.change_facts
    change("compute", "h2", FactsChange(forced_down=True, reason="smoke"))
    until(lambda: not nova.is_up("h2"), "forced down")
    change("compute", "h3", FactsChange(disabled=True, reason="disks"))
    change("compute", "h2", FactsChange(forced_down=False))
    until(lambda: nova.is_up("h2"), "back")
    assert nova.is_up("h3")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_service_that_writes_of_itself_is_up_and_other_values_are_kept(
    backend: str, cloud: Cloud, start_nova: StartNova
) -> None:
    nova = start_nova(options_of(backend, cloud.door().address))
    assert not nova.is_up("ctl1", "scheduler")
    assert nova.order("report", host="ctl1", topic="scheduler") == {"lost": False}
    assert nova.is_up("ctl1", "scheduler")
    assert nova.order("keep", key="azcache-h1", value="az-1") == {"value": "az-1"}
    nova.order("report", host=NOBODY)
    assert nova.is_up(NOBODY)
    until(lambda: not nova.is_up(NOBODY), "down, as it writes no more")


@pytest.mark.parametrize("backend", ["oslo_cache.memcache_pool", "dogpile.cache.pymemcache"])
def test_by_tls_as_well(
    backend: str, cloud: Cloud, start_nova: StartNova, authority: Authority
) -> None:
    made = authority.issue()
    files: dict[str, Setting] = {"tls_cert_file": made.cert, "tls_key_file": made.key}
    door = cloud.door(nova_tls=True, **files)
    by_tls = {"tls_enabled": True, "tls_cafile": authority.file}
    options = options_of(backend, f"localhost:{door.port}", **by_tls)
    knows_who_is_up(start_nova(options))


def test_whoever_logs_in_is_let_in_without(cloud: Cloud, start_nova: StartNova) -> None:
    login = {"memcache_sasl_enabled": True, "username": "nova", "password": "s3cret"}
    knows_who_is_up(
        start_nova(options_of("oslo_cache.memcache_pool", cloud.door().address, **login))
    )


# What bites


def test_without_enabled_every_question_fails(cloud: Cloud, start_nova: StartNova) -> None:
    options = options_of(BACKENDS[0], cloud.door().address, enabled=False)
    nova = start_nova(options)
    nova.begin("ask", hosts=["h1"])
    assert "'NoneType' object has no attribute 'get'" in nova.finish()["failed"]


@pytest.mark.parametrize("backend", ["dogpile.cache.null", "oslo_cache.dict"])
def test_with_a_backend_that_asks_no_memcached_every_host_is_down(
    backend: str, cloud: Cloud, start_nova: StartNova
) -> None:
    nova = start_nova(options_of(backend, cloud.door().address))
    assert [nova.is_up(host) for host in HOSTS] == [False] * len(HOSTS)


@pytest.mark.parametrize("backend", ["dogpile.cache.memcached", "dogpile.cache.bmemcached"])
def test_with_tls_and_a_backend_that_has_none_nova_does_not_start(
    backend: str, cloud: Cloud, start_nova: StartNova
) -> None:
    nova = start_nova(options_of(backend, cloud.door().address, tls_enabled=True))
    assert "TLS setting via [cache] tls_enabled is not supported" in nova.failed


def test_with_too_brief_an_expiry_nova_does_not_start(cloud: Cloud, start_nova: StartNova) -> None:
    nova = start_nova(options_of(BACKENDS[0], cloud.door().address, backend_expiration_time=30))
    assert "backend_expiration_time should not be smaller" in nova.failed


def test_with_one_more_server_some_hosts_are_down(cloud: Cloud, start_nova: StartNova) -> None:
    servers = [cloud.door().address, cloud.memcached.address]
    nova = start_nova(options_of(BACKENDS[0], "unused", memcache_servers=servers))
    assert len({nova.is_up(host) for host in HOSTS}) == 2
