"""Signed announcements and beats in PostgreSQL: through a pooler, by roles, and after an upgrade."""

from functools import partial

import anyio
import asyncpg
import pytest

from musterd.beat import HEAD
from musterd.errors import ShardRefused
from musterd.keys import beat_mac, challenge_digest
from musterd.model import Member
from musterd.stores.postgres.schema import STEPS, init_db
from musterd.stores.postgres.writer import PostgresWriter
from musterd.stores.rowwriter import namespace_key
from musterd.testing.servers import Database, PgBouncer
from tests.contract.signing import KEYRING, key_of, mac_of
from tests.service.postgres_fleet import (
    NAMESPACE,
    TIMEOUT,
    as_role,
    beat_of,
    host,
    owner_of,
    writer_of,
)

signing = partial(writer_of, keyring=KEYRING)


def fits(database: Database, member: Member, challenge: bytes) -> bool:
    """Whether the member's beat is signed for this challenge."""
    where = f"WHERE member_id = {owner_of(member)}"
    text = database.execute(f"SELECT encode(record, 'hex') FROM musterd.beat {where}")
    head, mac = bytes.fromhex(text)[:HEAD], bytes.fromhex(text)[HEAD:]
    return mac == beat_mac(key_of(member), head, mac_of(member), challenge_digest(challenge))


def mac_in(database: Database, member: Member) -> str:
    where = f"WHERE member_id = {owner_of(member)}"
    return database.execute(f"SELECT encode(mac, 'hex') FROM musterd.member {where}")


def set_challenge(database: Database, value: bytes) -> None:
    database.execute(
        f"INSERT INTO musterd.challenge VALUES ('{NAMESPACE}', '\\x{value.hex()}')"
        " ON CONFLICT (namespace) DO UPDATE SET value = excluded.value"
    )


async def beats(writer: PostgresWriter, member: Member, *sequences: int) -> list[bool]:
    return [await writer.beat(beat_of(member, sequence)) for sequence in sequences]


@pytest.mark.parametrize("number", [1, 5])
async def test_through_a_pooler(pgbouncer: PgBouncer, database: Database, number: int) -> None:
    """A challenge comes with every third beat, and so does a look at the announcement."""
    await init_db(database.dsn, TIMEOUT)
    set_challenge(database, b"first")
    writer = signing(pgbouncer.dsn_of(database.name))
    members = [host(each, "it's \\ a rack") for each in range(number)]
    async with anyio.create_task_group() as tasks:
        for member in members:
            tasks.start_soon(writer.announce, member)
    for member in members:
        assert await beats(writer, member, 1) == [True]
        assert fits(database, member, b"first")
        assert mac_in(database, member) == mac_of(member).hex()
    set_challenge(database, b"second")
    for member in members:
        assert await beats(writer, member, 2, 3, 4) == [True] * 3
        assert fits(database, member, b"second")
    database.execute("UPDATE musterd.member SET zone = 'elsewhere'")
    assert False in await beats(writer, members[0], 5, 6, 7)
    await writer.announce(members[0])
    assert await beats(writer, members[0], 8, 9, 10) == [True] * 3
    database.execute("DELETE FROM musterd.beat")
    assert await beats(writer, members[0], 11) == [False]
    await writer.aclose()


async def test_a_member_is_retired_with_its_signature(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    writer, plain = signing(database.dsn), writer_of(database.dsn)
    await writer.announce(host(1))
    await writer.retire(host(1))
    assert not await writer.beat(beat_of(host(1)))
    await plain.announce(host(2))  # in the same slot
    assert mac_in(database, host(2)) == ""
    for each in (writer, plain):
        await each.aclose()


async def test_a_role_signs_for_its_own_members_only(
    database: Database, hosts: tuple[str, str, str]
) -> None:
    group, one, two = hosts
    await init_db(database.dsn, TIMEOUT, agents_each=group)
    set_challenge(database, b"now")
    agent, other = signing(as_role(database, one)), signing(as_role(database, two))
    await agent.announce(host(1))
    assert await beats(agent, host(1), 1, 2, 3) == [True] * 3
    with pytest.raises(ShardRefused, match="belongs to role"):
        await other.announce(host(1))
    attacker = await asyncpg.connect(as_role(database, two))
    record = "decode(repeat('00', 64), 'hex')"
    told = f"0, {owner_of(host(1))}, {record}, '{NAMESPACE}', NULL, NULL"
    assert await attacker.fetchval(f"SELECT musterd.beat_signed({told})") is None
    assert fits(database, host(1), b"now")
    await attacker.close()
    for each in (agent, other):
        await each.aclose()


async def test_an_upgrade_leaves_every_role_what_it_could_do(
    database: Database, hosts: tuple[str, str, str], role: str
) -> None:
    """Relays of the version before call `seat` with one argument less."""
    agents, relays, coordinators = hosts[1], hosts[2], role
    database.execute(
        f"CREATE SCHEMA musterd; {''.join(STEPS[:4])}"
        f"GRANT USAGE ON SCHEMA musterd TO {agents}, {relays}, {coordinators};"
        f"GRANT EXECUTE ON FUNCTION musterd.announce, musterd.beat, musterd.retire TO {agents};"
        f"GRANT SELECT, INSERT, UPDATE ON musterd.member TO {relays}, {coordinators};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON musterd.beat TO {relays}, {coordinators};"
        f"GRANT USAGE, SELECT, UPDATE ON SEQUENCE musterd.slots TO {relays};"
        f"GRANT EXECUTE ON FUNCTION musterd.fresh_slot, musterd.may_have_more, musterd.seat"
        f" TO {relays};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON musterd.registry TO {coordinators}"
    )
    plain = writer_of(as_role(database, agents))
    await plain.announce(host(1))
    await init_db(database.dsn, TIMEOUT)
    assert await plain.beat(beat_of(host(1)))
    agent = signing(as_role(database, agents))
    await agent.announce(host(1))
    assert await agent.beat(beat_of(host(1), 2))
    assert mac_in(database, host(1)) == mac_of(host(1)).hex()
    relay = await asyncpg.connect(as_role(database, relays))
    seat = (
        f"SELECT musterd.seat({owner_of(host(2))}, '{NAMESPACE}', 'compute', 'host-0002', '', '',"
        f" '{{}}', {namespace_key(NAMESPACE)}, 1000, false"
    )
    assert await relay.fetchval(f"{seat})") == 1
    assert mac_in(database, host(2)) == ""
    await relay.execute(f"{seat}, '\\x{mac_of(host(2)).hex()}'::bytea)")
    assert mac_in(database, host(2)) == mac_of(host(2)).hex()
    await relay.execute(f"{seat})")  # nothing new: the mac stays
    assert mac_in(database, host(2)) == mac_of(host(2)).hex()
    assert await relay.fetch("SELECT * FROM musterd.challenge") == []
    coordinator = await asyncpg.connect(as_role(database, coordinators))
    await coordinator.execute("INSERT INTO musterd.challenge VALUES ('fleet', 'x')")
    with pytest.raises(asyncpg.CheckViolationError):
        await coordinator.execute("UPDATE musterd.challenge SET value = repeat('x', 129)::bytea")
    for connection in (relay, coordinator):
        await connection.close()
    for writer in (plain, agent):
        await writer.aclose()


async def test_a_mac_has_its_length(database: Database) -> None:
    await init_db(database.dsn, TIMEOUT)
    for length in (0, 15, 17):
        broken = f"UPDATE musterd.member SET mac = decode(repeat('00', {length}), 'hex')"
        writer = signing(database.dsn)
        await writer.announce(host(1))
        connection = await asyncpg.connect(database.dsn)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(broken)
        await connection.close()
        await writer.aclose()
