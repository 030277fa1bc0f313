"""`musterd nova` as Nova meets it: when it opens, what it says, and how it starts again."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from musterd.model import FactsChange, State
from musterd.testing.authority import Authority
from musterd.testing.busy import allowed_now
from musterd.testing.daemons import Agent, Coordinator, NovaDaemon, Setting, Watch, all_in
from musterd.testing.processes import HOST, ServerError, held_port
from musterd.testing.servers import Memcached
from musterd_coordinator.nova.values import key_of
from tests.managed_door import address_of, managed
from tests.nova_client import NovaClient
from tests.nova_values import cached, unpickled
from tests.patiently import PATIENCE, until

H1, H2, H3, AZ = (key_of("compute", name) for name in ("h1", "h2", "h3", "azcache"))
BEAT = cached(datetime(2026, 11, 30), 5)  # noqa: DTZ001  # as Nova writes it


@pytest.fixture
def fleet(memcached: Memcached) -> Iterator["Fleet"]:
    with ExitStack() as stack:
        yield Fleet(memcached, stack)


class Fleet:
    """A coordinator with h1 and h2, both up."""

    def __init__(self, memcached: Memcached, stack: ExitStack) -> None:
        self.stack = stack
        self.memcached = memcached
        self.agents = [Agent(memcached.url, name) for name in ("h1", "h2")]
        self.coordinator = Coordinator(memcached.url)
        for each in (*self.agents, self.coordinator):
            stack.enter_context(each)
        Watch(self.coordinator).until(all_in(State.UP, "h1", "h2"), "up")

    @property
    def url(self) -> str:
        return f"http://{self.coordinator.address}"

    def door(self, **settings: Setting) -> NovaDaemon:
        return self.stack.enter_context(NovaDaemon(self.url, **settings))


def client_of(door: NovaDaemon) -> NovaClient:
    return NovaClient((door.host, door.port))


def test_whoever_is_not_down_is_a_value_in_both_protocols(fleet: Fleet) -> None:
    with client_of(fleet.door()) as text, NovaClient(text.socket.getpeername()) as binary:
        for told in (text.get(H1), binary.get_binary(H1)):
            assert told is not None
            assert isinstance(unpickled(told).payload, datetime)
        fleet.agents[0].kill()
        until(lambda: text.get(H1) is None, "down")
        assert binary.get_binary(H1) is None
        assert text.get(H2) is not None


def test_an_order_is_heard_and_taken_back(fleet: Fleet) -> None:
    with client_of(fleet.door()) as client:
        change = fleet.coordinator.client.change_facts
        change("compute", "h1", FactsChange(forced_down=True, reason="smoke"))
        until(lambda: client.get(H1) is None, "forced down")
        change("compute", "h1", FactsChange(forced_down=False))
        until(lambda: client.get(H1) is not None, "up again")
        change("compute", "h1", FactsChange(disabled=True, reason="new disks"))
        assert client.get(H1) is not None


def test_it_keeps_what_it_knew_while_no_coordinator_is_there_and_says_so(fleet: Fleet) -> None:
    door = fleet.door()
    with client_of(door) as client:
        assert client.facts()["origin"] == f"follows {fleet.url}"
        fleet.coordinator.kill()
        until(lambda: client.facts()["listening"] == "0", "lost")
        assert client.facts()["origin"].startswith("no coordinator")
        fleet.agents[0].kill()
        assert client.get(H1) is not None
        fleet.coordinator.start()
        until(lambda: client.facts()["listening"] == "1", "found again")
        until(lambda: client.get(H1) is None, "down")


def test_a_service_that_musterd_does_not_know_is_judged_by_what_it_writes(fleet: Fleet) -> None:
    door = fleet.door()
    with client_of(door) as client:
        assert client.get(H3) is None
        assert client.set(H3, BEAT) == b"STORED"
        until(lambda: heard_and_flushed(client), "up")
        until(lambda: client.get(H3) is None, "down")
        until(lambda: heard_and_flushed(client), "up again")
    door.stop()
    fleet.coordinator.kill()
    door.start()  # by its last view
    with client_of(door) as client:
        assert None not in (client.get(H1), client.get(H3))
        assert client.facts()["writers"] == "1"


def heard_and_flushed(client: NovaClient) -> bool:
    """Write its beat and flush the cache; say whether it is up. It may be down already if we are late."""
    client.set(H3, BEAT)
    assert client.say(b"flush_all") == b"OK"
    return client.get(H3) is not None


def test_all_else_is_a_cache(fleet: Fleet) -> None:
    with client_of(fleet.door()) as client:
        assert client.set(AZ, b"nova", flags=16) == b"STORED"
        assert client.get(AZ) == b"nova"
        assert client.say(b"flush_all") == b"OK"
        assert client.get(AZ) is None


@pytest.mark.parametrize("way", ["text", "binary"])
def test_it_speaks_tls(fleet: Fleet, authority: Authority, way: str) -> None:
    certificate = authority.issue()
    files: dict[str, Setting] = {"tls_cert_file": certificate.cert, "tls_key_file": certificate.key}
    door = fleet.door(nova_tls=True, **files)
    with NovaClient((door.host, door.port), certificate.trusting()) as client:
        assert (client.get if way == "text" else client.get_binary)(H1) is not None
    with client_of(door) as plain:
        assert plain.say(b"get a").startswith(b"SERVER_ERROR this port speaks TLS")


def age_of(value: bytes | None) -> float:
    assert value is not None
    seen: datetime = unpickled(value).payload.replace(tzinfo=UTC)
    return (datetime.now(UTC) - seen).total_seconds()


def test_the_time_is_that_of_the_last_beat(memcached: Memcached) -> None:
    """Of a host that is late: others were heard just now. This one is held, and far from down."""
    long = {"service_down_time": 600.0}
    with (
        Agent(memcached.url, "h1", **long) as agent,
        Coordinator(memcached.url, **long) as coordinator,
        NovaDaemon(f"http://{coordinator.address}", interval=0.2) as door,
        client_of(door) as client,
    ):
        Watch(coordinator).until(
            all_in(State.UP, "h1"), "up"
        )  # one heard once is not known to be late
        agent.pause()
        until(lambda: age_of(client.get(H1)) > 2, "late")
        agent.resume()
        until(lambda: age_of(client.get(H1)) < 2, "back")


def test_services_that_write_to_one_door_are_known_at_all(fleet: Fleet) -> None:
    groups = {"nova_groups": "compute,conductor", "store": fleet.memcached.url}
    one = fleet.door(**groups, nova_beat_for="conductor", member="ctl1")
    other = fleet.door(**groups)
    conductor = key_of("conductor", "ctl1")
    with client_of(one) as writer, client_of(other) as reader:
        assert reader.get(conductor) is None

        def known() -> bool:
            writer.set(conductor, BEAT)
            return reader.get(conductor) is not None

        until(known, "known")
        assert fleet.coordinator.client.member("conductor", "ctl1").state == State.UP
        until(lambda: reader.get(conductor) is None, "down, as it writes no more")


def test_a_door_is_no_store_of_its_own_beats(memcached: Memcached) -> None:
    with held_port() as port:
        address = f"{HOST}:{port}"
        groups = {"nova_groups": "conductor", "nova_beat_for": "conductor"}
        door = NovaDaemon("http://127.0.0.1:9", store=f"memcached://{address}", **groups)
        door.settings = {**door.settings, "nova_listen": address}
        with pytest.raises(ServerError, match="the store is the door itself"):
            door.start()
        door.close()


def test_a_coordinator_opens_the_same_door(memcached: Memcached) -> None:
    with (
        held_port() as port,
        Agent(memcached.url, "h1") as agent,
        Coordinator(memcached.url, nova_listen=f"{HOST}:{port}") as coordinator,
    ):
        Watch(coordinator).until(all_in(State.UP, "h1"), "up")
        until(lambda: is_open(port), "open")
        with NovaClient((HOST, port)) as client, NovaClient((HOST, port)) as binary:
            assert client.facts()["origin"] == "this coordinator"
            assert None not in (client.get(H1), binary.get_binary(H1))
            assert client.get(H2) is None
            client.set(H2, BEAT)
            assert client.get(H2) is not None
            agent.kill()
            until(lambda: client.get(H1) is None, "down")


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


# Under systemd


def test_it_opens_when_it_has_verdicts(memcached: Memcached, tmp_path: Path) -> None:
    """Until then who connects waits, for the kernel takes the connection."""
    with Coordinator(memcached.url) as coordinator:
        coordinator.stop()
        url = f"http://{coordinator.address}"
        with managed(url, tmp_path) as manager, NovaClient(address_of(manager)) as client:
            manager.wait_for("STATUS")
            client.ask(H1)
            client.socket.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
            assert "READY" not in manager.words
            coordinator.start()
            client.socket.settimeout(allowed_now(PATIENCE))
            with Agent(memcached.url, "h1"):
                assert client.answer() is not None
            manager.wait_for("READY")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_connections_outlive_it_and_get_their_answer(
    fleet: Fleet, tmp_path: Path, number: signal.Signals
) -> None:
    with managed(fleet.url, tmp_path) as manager, ExitStack() as stack:
        clients = [stack.enter_context(NovaClient(address_of(manager))) for _ in range(3)]
        assert None not in (clients[0].get(H1), clients[1].get(H1), clients[2].get_binary(H1))
        manager.wait_kept(lambda count: count > 3)  # one is the canary's
        until((tmp_path / "view").exists, "saved")
        fleet.coordinator.kill()
        for _ in range(2):
            manager.stop(number)
            clients[0].ask(H1)
            late = stack.enter_context(NovaClient(address_of(manager)))
            late.ask(H2)
            manager.start()
            assert None not in (clients[0].answer(), late.answer())
            assert None not in (clients[1].get(H1), clients[2].get_binary(H2))
            manager.wait_for("READY")


def test_what_ends_is_not_kept(fleet: Fleet, tmp_path: Path) -> None:
    with managed(fleet.url, tmp_path) as manager:
        with NovaClient(address_of(manager)) as client:
            assert client.get(H1) is not None
            manager.wait_kept(lambda count: count > 1)  # one is the canary's
        manager.wait_kept(lambda count: count < 2)
        with NovaClient(address_of(manager)) as client:
            assert client.get(H1) is not None
            manager.wait_kept(lambda count: count > 1)
            client.socket.sendall(b"get " + H1)  # and no end
            with NovaClient(address_of(manager)) as other:
                until(lambda: other.facts("")["waiting_bytes"] != "0", "heard")
            manager.stop(signal.SIGTERM)
            assert client.socket.recv(1) == b""
