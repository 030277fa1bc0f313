"""What somebody does who reaches a relay's port."""

import socket
import struct
from collections.abc import Iterator
from itertools import count

import pytest

from musterd.beat import Beat, member_id, pack
from musterd.testing.daemons import Relay
from musterd.testing.servers import Database, Postgres
from tests.attacks.attack import under_attack
from tests.attacks.neighbour import NAMESPACE, Neighbour, beat_of, holder
from tests.conftest import StartPostgres
from tests.faults.conftest import StartLab
from tests.faults.lab import CROWD, DURING, Lab
from tests.faults.locks import GROUP, Open
from tests.faults.postgres_others import fleets_database

pytestmark = [pytest.mark.full_only, pytest.mark.parametrize("storm_min", [0])]
AT_ONCE = struct.pack("ii", 1, 0)


@pytest.fixture
def database(start_postgres: StartPostgres) -> Database:
    return fleets_database(start_postgres(**Postgres.cheap, max_connections=40))


@pytest.fixture
def relay(database: Database, locks: Open) -> Iterator[Relay]:
    with locks.relay(database.dsn, service_down_time=4.0) as relay:
        yield relay


@pytest.fixture
def lab(database: Database, relay: Relay, start_lab: StartLab) -> Lab:
    return start_lab(database.dsn, agents_store=relay.url, kind="PostgreSQL behind a relay")


def hang_up(relay: Relay, name: str = "nobody", sequence: int = 1, interval_ms: int = 1000) -> None:
    """Send one beat and reset the connection before it is answered."""
    with relay.connect(2.0) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        record = beat_of(name, sequence, interval_ms)
        client.sendall(b"replace musterd:b:00000001 0 600 64\r\n" + record + b"\r\n")


def test_connections_that_hang_up(lab: Lab, relay: Relay) -> None:
    def deed() -> None:
        for _ in range(5):
            hang_up(relay)

    under_attack(lab, "connections that hang up", deed, every=0.1)


def test_members_of_ones_own_that_hang_up(lab: Lab, relay: Relay) -> None:
    """They have seats, as many as a third of the fleet, and are soon overdue."""
    lab.last(5)  # whoever came in a relay's first moments counts for established
    own = [f"own-{number}" for number in range(6)]
    with Neighbour(relay) as him:
        for slot, name in enumerate(own, 1000):
            him.seat(slot, holder(name), beat_of(name))
    numbers = iter(range(2, 10**9))

    def deed() -> None:
        for name in own:
            hang_up(relay, name, next(numbers))

    under_attack(lab, "members of one's own that hang up", deed)


def test_names_of_others_that_hang_up(lab: Lab, relay: Relay) -> None:
    """Their beats tell an interval so short that everybody would be overdue."""
    numbers = iter(range(1, 10**9))

    def deed() -> None:
        for name in CROWD:
            hang_up(relay, name, next(numbers), interval_ms=50)

    under_attack(lab, "names of others that hang up", deed, every=0.1)


@pytest.mark.locked_only
def test_beats_for_the_dead(lab: Lab, relay: Relay) -> None:
    numbers = count(100)
    with Neighbour(relay) as him:

        def beat() -> None:
            him.order(b"replace musterd:b:00000000 0 600 64", forged(lab, next(numbers), DURING))

        under_attack(lab, "beats for the dead at a relay", beat)


@pytest.mark.locked_only
def test_facts_of_others(lab: Lab, relay: Relay) -> None:
    with Neighbour(relay) as him:

        def lie() -> None:
            for name in CROWD[:4]:
                him.set(b"musterd:m:00000000", holder(name, "rack-9"))
            assert lab.coordinator.client.member(GROUP, CROWD[0]).zone == "rack-1"

        under_attack(lab, "facts of others at a relay", lie)


def forged(lab: Lab, sequence: int, name: str = CROWD[0]) -> bytes:
    """A beat in the name of somebody, of the run that everybody may read."""
    victim = lab.coordinator.client.member(GROUP, name)
    assert victim.incarnation is not None
    identity, run = member_id(NAMESPACE, GROUP, name), int(victim.incarnation, 16)
    return pack(Beat(identity, run, sequence % 2**64, interval_ms=1000))


@pytest.mark.parametrize("ahead", [500, 2**22, 2**64 - 2**22])
def test_a_number_ahead_of_anothers(lab: Lab, relay: Relay, ahead: int) -> None:
    record = forged(lab, ahead)
    with Neighbour(relay) as him:
        him.order(b"replace musterd:b:00000000 0 600 64", record)
    under_attack(lab, f"numbered {ahead} ahead", lambda: None)


@pytest.mark.parametrize("step", [0, -1, -5000], ids=["the same", "descending", "leaping back"])
@pytest.mark.parametrize("ahead", [500, 2**40])
def test_numbers_ahead_of_anothers_without_end(
    lab: Lab, relay: Relay, ahead: int, step: int
) -> None:
    """Neither do they ascend nor are they sent later, so that nobody could take them for beats."""
    first = forged(lab, ahead)
    numbers = (ahead + at * step for at in range(10**9))
    with Neighbour(relay) as him:

        def deed() -> None:
            record = first[:24] + (next(numbers) % 2**64).to_bytes(8, "little") + first[32:]
            him.order(b"replace musterd:b:00000000 0 600 64", record)

        under_attack(lab, f"numbered {ahead} ahead for ever", deed, every=0.1, least=15.0)


def test_names_without_end(lab: Lab, relay: Relay) -> None:
    numbers = iter(range(10**9))

    def deed() -> None:
        with Neighbour(relay) as him:
            for _ in range(60):
                number = next(numbers)
                him.order(b"add musterd:m:%08x 0 0 %d" % (number, len(holder(f"n{number}"))),
                          holder(f"n{number}"))  # fmt: skip

    under_attack(lab, "names without end at a relay", deed)


def test_what_is_no_protocol(lab: Lab, relay: Relay) -> None:
    def deed() -> None:
        for junk in (b"\x80\x0a" + bytes(22), b"get " + b"x" * 100_000, b"set a 0 0 99999999\r\n"):
            with relay.connect(2.0) as client:
                client.sendall(junk)

    under_attack(lab, "junk at a relay", deed)
