"""Where MariaDB keeps beats: in memory where it stands alone, and in InnoDB where others share its tables."""

from collections.abc import Callable

import pytest

from musterd.errors import ShardRefused, StoreError
from musterd.stores.mysql.schema import FIT, STEPS, VERSION, init_db, statements
from musterd.testing.mariadb import MariaDatabase, MariaDb
from tests.contract.cast import Agent, Coordinator, Look, closing_all, hosts, run, settle
from tests.contract.labs import PATIENT
from tests.contract.mariadb_lab import COORDINATORS, FOLLOWED, MariaLab, mariadb_lab, prepare
from tests.galera import Galera

pytestmark = pytest.mark.mariadb_only  # MySQL has them in InnoDB, whatever it is

MEMORY, INNODB = "MEMORY", "InnoDB"

Start = Callable[..., MariaDb]


def engine_of(database: MariaDatabase, table: str = "musterd_beat") -> str:
    return database.execute(
        "SELECT engine FROM information_schema.TABLES WHERE table_schema = DATABASE()"
        f" AND table_name = '{table}'"
    )


async def look_again(coordinator: Coordinator) -> Look:
    """A look by one whose connections ended, which it may find only now."""
    try:
        return await coordinator.look()
    except StoreError:
        return await coordinator.look()


def leave_no_room(lab: MariaLab) -> None:
    """Start the server anew, and use the table as somebody whose tables may have 16 kB."""
    lab.servers[0].restart()
    lab.execute("SET SESSION max_heap_table_size = 16384; SELECT COUNT(*) FROM {beat}")


@pytest.mark.parametrize(
    ("store_kind", "engine"),
    [("mariadb", MEMORY), ("mariadb with a binary log", INNODB)],
)
def test_beats_and_nothing_else_are_in_memory_where_a_server_stands_alone(
    lab: MariaLab, engine: str
) -> None:
    assert engine_of(lab.database) == engine
    others = "SELECT DISTINCT engine FROM information_schema.TABLES WHERE table_schema = DATABASE()"
    assert lab.execute(f"{others} AND table_name <> 'musterd_beat' AND engine <> ''") == INNODB


@pytest.mark.parametrize("store_kind", ["mariadb"])
async def test_after_a_start_of_the_server_nobody_is_judged_until_all_announced_anew(
    lab: MariaLab,
) -> None:
    agent, coordinator = Agent(lab.open(), hosts(3)), Coordinator(lab.open())
    async with closing_all(agent, coordinator):
        assert (await run([agent], coordinator, 1)).proven
        lab.servers[0].restart()
        look = await look_again(coordinator)
        assert (look.kept, look.beats, look.vacated) == (False, {}, [])
        await settle(agent)
        look = await run([agent], coordinator, 1)
        assert look.proven
        assert set(look.sequences.values()) == {agent.sequence}
        assert agent.announcements == 2 * len(agent.members)


@pytest.mark.parametrize("store_kind", ["mariadb"])
@pytest.mark.parametrize("who", ["coordinator", "init-db"])
async def test_a_table_that_is_full_is_made_larger(lab: MariaLab, who: str) -> None:
    """As happens where a stranger uses it first after a start of the server."""
    leave_no_room(lab)
    agent, coordinator = Agent(lab.open(), hosts(300)), Coordinator(lab.open())
    async with closing_all(agent, coordinator):
        with pytest.raises(ShardRefused, match=r"is full: 'musterd init-db' gives"):
            await agent.tick()
        stood = lab.execute("SELECT COUNT(*) FROM {beat}")
        if who == "init-db":
            await init_db(lab.database.url, PATIENT)
            assert lab.execute("SELECT COUNT(*) FROM {beat}") == stood
        else:
            await coordinator.look()
        look = await run([agent], coordinator, 1)
        assert len(look.beats) == len(agent.members)


async def test_beats_move_to_innodb_before_anybody_is_judged_where_a_binary_log_begins(
    start_mariadb: Start,
) -> None:
    server = start_mariadb(**MariaDb.cheap)
    prepare(server)
    with mariadb_lab(server) as lab:
        agent, coordinator = Agent(lab.open(), hosts(3)), Coordinator(lab.open())
        async with closing_all(agent, coordinator):
            await run([agent], coordinator, 1)
            server.stop()
            server.settings = {**MariaDb.cheap, **FOLLOWED}
            server.start()
            await settle(agent)
            assert engine_of(lab.database) == MEMORY
            assert not (await look_again(coordinator)).kept
            assert engine_of(lab.database) == INNODB
            assert len((await run([agent], coordinator, 2)).beats) == 3
            server.stop()
            server.settings = dict(MariaDb.cheap)
            server.start()
            await init_db(lab.database.url, PATIENT)
            assert engine_of(lab.database) == MEMORY


@pytest.mark.parametrize("store_kind", ["mariadb with a binary log"])
async def test_who_may_not_move_beats_judges_nobody(lab: MariaLab) -> None:
    fit = f"PROCEDURE {lab.database.name}.musterd_fit"
    lab.execute(
        f"ALTER TABLE {{beat}} ENGINE = MEMORY; REVOKE EXECUTE ON {fit} FROM {COORDINATORS}"
    )
    coordinator = Coordinator(lab.open())
    async with closing_all(coordinator):
        with pytest.raises(
            ShardRefused, match=r"musterd_fit.*grant what 'musterd init-db --print'"
        ):
            await coordinator.look()
    lab.execute(f"GRANT EXECUTE ON {fit} TO {COORDINATORS}")


async def test_tables_of_a_version_before_are_taken_over(contract_mariadb: MariaDb) -> None:
    with contract_mariadb.database() as database:
        *before, last = STEPS
        for step in before:
            database.execute(step)
        assert engine_of(database) == INNODB
        lab = MariaLab(database)
        agents = lab.database.server.url_of(database.name)
        agent = Agent(lab.open(url=agents), hosts(2))
        async with closing_all(agent):
            await agent.tick()
            await init_db(database.url, PATIENT)
            assert engine_of(database) == MEMORY
            assert database.execute("SELECT MAX(version) FROM musterd_schema") == str(VERSION)
            await agent.tick()
            assert agent.announcements == 2 * len(agent.members)
        assert FIT in [*statements(last)]
        lab.close()


@pytest.mark.time_limit(90)  # a node takes its time to join
def test_nodes_of_a_cluster_have_one_table_of_beats() -> None:
    with Galera(MariaDb, MariaDb.cheap, 2) as cluster:
        one, other = cluster.nodes
        prepare(one)
        with mariadb_lab(one) as lab:
            there = MariaDatabase(other, lab.database.name)
            assert engine_of(there) == INNODB
            lab.execute("ALTER TABLE {beat} ENGINE = MEMORY")
            beat = "INSERT INTO musterd_beat VALUES ({0}, {0}, 0, 0, NOW(), '')"
            for number, each in enumerate((lab.database, there)):
                each.execute(beat.format(number))
            there.execute(FIT)
            for number, each in enumerate((lab.database, there)):
                assert engine_of(each) == INNODB
                assert each.execute("SELECT COUNT(*) FROM musterd_beat") == str(number)
                each.execute(beat.format(number))
            other.execute("SET SESSION wsrep_sync_wait = 1; SELECT 1")
            count = "SET SESSION wsrep_sync_wait = 1; SELECT COUNT(*) FROM musterd_beat"
            assert [each.execute(count) for each in (lab.database, there)] == ["2", "2"]
            lab.close()
