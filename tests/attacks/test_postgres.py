"""What somebody does who has the agents' role of a PostgreSQL, and what its owner may do wrong."""

import subprocess
from collections.abc import Iterable
from itertools import chain, count, repeat

import pytest

from musterd.beat import Beat, member_id, pack
from musterd.stores.rowwriter import namespace_key, signed
from musterd.testing.processes import environment, find_program
from musterd.testing.servers import Database, Postgres
from tests.attacks.attack import under_attack
from tests.conftest import StartPostgres
from tests.faults.conftest import StartLab
from tests.faults.lab import CROWD, DURING, Lab
from tests.faults.locks import GROUP
from tests.faults.postgres_others import fleets_database, ways_into

pytestmark = [pytest.mark.full_only, pytest.mark.parametrize("storm_min", [0])]
KIND = "one PostgreSQL"
NAMESPACE = "musterd"
FIRST_CROWD = 20_000

DEEDS = {
    "locks of all tables": "BEGIN; LOCK TABLE musterd.beat IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3)",
    "a lock of somebody's beat": (
        "BEGIN; SELECT FROM musterd.beat WHERE slot = 0 FOR UPDATE; SELECT pg_sleep(3)"
    ),
    "advisory locks": "SELECT pg_advisory_lock(n) FROM generate_series(0, 100) n; SELECT pg_sleep(3)",
    "a slot of two thousand millions": (
        "INSERT INTO musterd.member VALUES"
        " (2147483646, 5, 'musterd', 'compute', 'far', '', '', '{}', pg_current_xact_id())"
    ),
    "a slot of fifty millions": (
        "INSERT INTO musterd.member VALUES"
        " (50000000, 6, 'musterd', 'compute', 'farther', '', '', '{}', pg_current_xact_id())"
    ),
    "beats of others": (
        "UPDATE musterd.beat"
        " SET record = overlay(record placing decode('ffffffffffffffff', 'hex') from 25)"
    ),
    "a relay's row": (
        "INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record)"
        " SELECT member_id, seen_at, -1, namespace_key, record FROM musterd.beat LIMIT 1"
    ),
    "temporary tables": "CREATE TEMP TABLE t AS SELECT generate_series(1, 100000)",
    "all rows deleted": "DELETE FROM musterd.beat",
}


@pytest.fixture
def database(start_postgres: StartPostgres) -> Database:
    return fleets_database(start_postgres(**Postgres.cheap, max_connections=60))


@pytest.fixture
def lab(database: Database, start_lab: StartLab) -> Lab:
    return start_lab(**ways_into(database), kind=KIND)


@pytest.mark.parametrize("deed", DEEDS)
def test_deeds_of_the_agents_role(lab: Lab, database: Database, deed: str) -> None:
    def attempt() -> None:
        psql(ways_into(database)["agents_store"], DEEDS[deed])

    under_attack(lab, deed, attempt)


def test_newcomers_without_end(lab: Lab, database: Database) -> None:
    """Some hundred names a second of somebody's own making; first, more than are read at once."""
    numbers, crowds = count(), chain([FIRST_CROWD], repeat(100))

    def announce() -> None:
        names = [f"n{next(numbers)}" for _ in range(next(crowds))]
        psql(ways_into(database)["agents_store"], announcements(names))

    under_attack(lab, "newcomers without end", announce)
    seated = lab.coordinator.client.status().members > FIRST_CROWD
    assert seated is not lab.locks.are_on  # without a key nobody takes a seat


def announcements(names: Iterable[str]) -> str:
    """SQL that announces members of a group of its own, in one transaction."""
    members = ", ".join(
        f"({signed(member_id(NAMESPACE, 'crowd', name))}, '{name}')" for name in names
    )
    return (
        f"SELECT musterd.announce(id, '{NAMESPACE}', 'crowd', name, '', '', '{{}}',"
        f" {namespace_key(NAMESPACE)}, 1000) FROM (VALUES {members}) newcomers (id, name)"
    )


@pytest.mark.locked_only
def test_beats_for_the_dead(lab: Lab, database: Database) -> None:
    """By the role that they share: only the key is theirs alone."""
    lab.overwritten = [DURING]
    identity = member_id(NAMESPACE, GROUP, DURING)
    numbers = count(100)
    slot = database.execute(f"SELECT slot FROM musterd.beat WHERE member_id = {signed(identity)}")

    def beat() -> None:
        run = lab.coordinator.client.member(GROUP, DURING).incarnation
        assert run is not None
        record = pack(Beat(identity, int(run, 16), next(numbers), interval_ms=1000))
        say = f"musterd.beat({slot}, {signed(identity)}, decode('{record.hex()}', 'hex'))"
        assert psql(ways_into(database)["agents_store"], f"SELECT {say}") == "t"

    under_attack(lab, "beats for the dead by their role", beat)


@pytest.mark.locked_only
def test_facts_of_others(lab: Lab, database: Database) -> None:
    def lie() -> None:
        for name in CROWD[:4]:
            identity = signed(member_id(NAMESPACE, GROUP, name))
            psql(
                ways_into(database)["agents_store"],
                f"SELECT musterd.announce({identity}, '{NAMESPACE}', '{GROUP}', '{name}', 'rack-9',"
                f" 'mallory', '{{}}', {namespace_key(NAMESPACE)}, 1000)",
            )
        assert lab.coordinator.client.member(GROUP, CROWD[0]).zone == "rack-1"

    under_attack(lab, "facts of others by their role", lie)


def psql(url: str, sql: str) -> str:
    """Let somebody run SQL, and say what came of it; that it is refused is his own affair."""
    program = find_program("initdb", "postgresql").with_name("psql")  # not Debian's wrapper
    command = [str(program), "-XAtq", url]
    done = subprocess.run(
        command,
        input=sql,
        text=True,
        check=False,
        capture_output=True,
        env=environment(),
    )
    return done.stdout.strip()


def test_many_members_of_one_agent_after_a_hang(database: Database, lab: Lab) -> None:
    """A hundred members share an agent; the database hangs for six seconds, and all come back."""
    names = [f"many-{number}" for number in range(100)]
    lab.start(lab.agent(*names, interval=3.0, service_down_time=8.0), *names)
    with lab.fault("hangs 6 s under an agent of 100 members", recovery=40):
        database.server.pause()
        lab.last(6)
        database.server.resume()
    lab.verify()
