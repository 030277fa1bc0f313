"""A coordinator watches Nova's own table, in MariaDB and PostgreSQL, by rights that Nova would not miss."""

from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs

from musterd.model import State
from musterd.stores.nova.store import Leg
from musterd.testing.mariadb import MariaDb
from musterd.testing.servers import Postgres
from tests.service.nova_lab import NovaLab, Watch, nova_lab

DIALECTS = ("mariadb", "postgresql")
WARM = 60
HOSTS = [f"h{number:02}" for number in range(40)]
CONDUCTORS = ["c1", "c2", "c3"]


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    """Run a MariaDB that tests may pause and stop."""
    with MariaDb(**MariaDb.cheap) as server:
        yield server


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL that tests may pause and stop."""
    with Postgres(**Postgres.cheap) as server:
        yield server


@pytest.fixture(params=DIALECTS)
def lab(
    request: pytest.FixtureRequest, mariadb: MariaDb, own_postgres: Postgres
) -> Iterator[NovaLab]:
    """Nova's tables in one of them."""
    with nova_lab(mariadb if request.param == "mariadb" else own_postgres) as made:
        yield made


@pytest.fixture
async def watch(lab: NovaLab) -> AsyncIterator[Watch]:
    """A coordinator that has watched 40 hosts and three conductors for a minute."""
    lab.come(HOSTS)
    lab.come(CONDUCTORS, "conductor", count=7)
    made = Watch(lab, HOSTS, CONDUCTORS)
    await made.begin()
    await made.look(WARM)
    yield made
    await made.aclose()


async def test_services_are_members(watch: Watch) -> None:
    assert watch.reasons == {Leg.DIRECT: "", Leg.RPC: ""}
    assert watch.states() == dict.fromkeys(HOSTS, State.UP)
    assert watch.states("conductor") == dict.fromkeys(CONDUCTORS, State.UP)
    assert [shard.listening for shard in watch.roll.view.hearing.shards] == [True, True]
    member = watch.answers.member("compute", "h07")
    assert member.metadata == {"binary": "nova-compute", "cell": "cell1"}
    assert (member.interval, member.down_after) == (10.0, 75.0)
    assert watch.answers.member("conductor", "c1").down_after == 60.0


async def test_one_that_dies_is_found(watch: Watch) -> None:
    watch.muted = {"h07"}
    await watch.look(90)
    states = watch.states()
    assert states.pop("h07") is State.DOWN
    assert set(states.values()) == {State.UP}


async def test_the_queue_is_away_for_two_minutes(watch: Watch) -> None:
    await watch.look(120, silent=True)
    assert set(watch.states().values()) == {State.UP}
    assert "none of them reports" in watch.reasons[Leg.RPC]
    assert watch.reasons[Leg.DIRECT] == ""
    assert not watch.roll.view.hearing.freshness("compute")[0]
    assert watch.roll.view.hearing.freshness("conductor")[0]
    await watch.look(60)
    assert set(watch.states().values()) == {State.UP}
    assert watch.reasons[Leg.RPC] == ""


async def test_half_of_the_hosts_die(watch: Watch) -> None:
    watch.muted = set(HOSTS[::2])
    await watch.look(125)
    for host, state in watch.states().items():
        assert state is (State.DOWN if host in watch.muted else State.UP)


async def test_one_of_three_conductors_hangs(watch: Watch) -> None:
    watch.lost = 1 / 3
    for _ in range(20):
        await watch.look(10)
        assert set(watch.states().values()) == {State.UP}
    assert "fell silent lately" in watch.reasons[Leg.RPC]
    watch.lost = 0.0
    await watch.look(100)
    assert watch.reasons[Leg.RPC] == ""
    assert set(watch.states().values()) == {State.UP}


async def test_nobody_reports_at_all_so_nobody_is_accused(watch: Watch) -> None:
    watch.muted = {*HOSTS, *CONDUCTORS}
    await watch.look(120)
    assert set(watch.states().values()) == {State.UP}
    assert set(watch.states("conductor").values()) == {State.UP}
    assert "is its table locked?" in watch.reasons[Leg.DIRECT]


async def test_a_conductor_that_dies_is_found_by_who_else_reports(watch: Watch) -> None:
    watch.muted = {"c1", "c2"}
    await watch.look(70)
    assert watch.states("conductor") == {"c1": State.DOWN, "c2": State.DOWN, "c3": State.UP}


async def test_all_conductors_die_and_take_no_compute_with_them(watch: Watch) -> None:
    watch.lab.come(["s1"], "scheduler")
    watch.muted = {*CONDUCTORS, *HOSTS}
    for _ in range(90):
        if int(watch.now) % 10 == 3:
            await watch.lab.report(["s1"], "scheduler")
        await watch.look()
    assert set(watch.states("conductor").values()) == {State.DOWN}
    assert watch.states("scheduler") == {"s1": State.UP}
    assert set(watch.states().values()) == {State.UP}


async def test_rows_come_and_go(watch: Watch) -> None:
    watch.lab.come(["new"], count=500)
    await watch.look(2)
    assert watch.states()["new"] is State.UNKNOWN
    watch.lab.delete("h07")
    await watch.lab.report(["new"])
    await watch.look(90)
    states = watch.states()
    assert states["h07"] is State.UP, "that Nova lists it no more says nothing of its host"
    assert len(watch.roll.view.unlisted()) == 1
    assert states["new"] is State.DOWN
    assert watch.answers.member("compute", "h07").silent_for == 0.0
    assert watch.roll.view.hearing.freshness("compute")[0]


async def test_what_is_ordered_in_nova_is_shown(watch: Watch) -> None:
    true, false = watch.lab.true, watch.lab.false
    watch.lab.execute(
        f"UPDATE services SET disabled = {true}, disabled_reason = 'memory' WHERE host = 'h07';"
        f"UPDATE services SET forced_down = {true} WHERE host = 'h08'"
    )
    await watch.look(2)
    h07, h08 = (watch.answers.member("compute", host) for host in ("h07", "h08"))
    assert (h07.up, h07.schedulable, h07.disabled_reason) == (True, False, "in Nova: memory")
    assert (h08.down, h08.observed, h08.forced_down_reason) == (True, State.UP, "in Nova")
    watch.lab.execute(f"UPDATE services SET disabled = {false}, forced_down = {false}")
    await watch.look(2)
    assert watch.answers.member("compute", "h07").schedulable
    assert watch.answers.member("compute", "h08").up


async def test_zones_are_those_of_aggregates_or_else_the_cell(watch: Watch) -> None:
    assert watch.answers.member("compute", "h07").zone == "cell1"
    quote = "`" if watch.lab.dialect == "mysql" else '"'
    watch.lab.execute(
        "INSERT INTO host_mappings (cell_id, host) SELECT id, 'h08' FROM cell_mappings;"
        "INSERT INTO aggregate_hosts (host, aggregate_id) VALUES ('h07', 5), ('h07', 6);"
        f"INSERT INTO aggregate_metadata (aggregate_id, {quote}key{quote}, value) VALUES"
        " (5, 'ssd', 'true'), (6, 'availability_zone', 'az1')"
    )
    await watch.look(70)
    zones = {host: watch.answers.member("compute", host).zone for host in ("h07", "h08")}
    assert zones == {"h07": "az1", "h08": "cell1"}


async def test_what_is_no_service_is_left_alone(watch: Watch) -> None:
    watch.lab.come(["no name", "x" * 255, "Größe"])
    watch.lab.execute("UPDATE services SET report_count = -5 WHERE host = 'h03'")
    watch.lab.execute("UPDATE services SET topic = NULL WHERE host = 'h04'")
    watch.lab.execute("UPDATE services SET disabled = NULL, deleted = NULL WHERE host = 'h05'")
    await watch.look(30)
    states = watch.states()
    assert "x" * 255 in states
    assert "no name" not in states
    assert watch.roll.view.hearing.shards[1].rejected.holder
    assert {states[host] for host in HOSTS if host not in ("h03", "h04", "h05")} == {State.UP}


async def test_a_row_that_was_refused_and_is_gone_is_counted_no_more(watch: Watch) -> None:
    watch.lab.come(["no name"])
    await watch.look(2)
    rejected = watch.roll.view.hearing.shards[1].rejected.holder
    assert rejected
    watch.lab.delete("no name")
    await watch.look()
    assert watch.roll.view.hearing.shards[1].rejected.holder == rejected


@pytest.fixture
def other(lab: NovaLab) -> Iterator[NovaLab]:
    """Another cell's database on the same server."""
    assert isinstance(lab.server, MariaDb | Postgres)
    with nova_lab(lab.server) as made:
        yield made


async def test_a_cell_that_is_mapped_meanwhile_is_watched_too(other: NovaLab, watch: Watch) -> None:
    newcomers = [f"n{number:02}" for number in range(30)]
    dead = set[str]()

    async def look(seconds: int) -> None:
        for _ in range(seconds):
            turn = int(watch.now) % 10
            due = [host for at, host in enumerate(newcomers) if at % 10 == turn]
            await other.report([host for host in due if host not in dead])
            await watch.look()

    other.come(newcomers)
    watch.lab.map_cell("cell2", other)
    await watch.cells.look()
    await watch.cells.look()
    assert len(watch.sweepers) == 2 * len(Leg)
    await look(WARM)
    assert watch.states() == dict.fromkeys([*HOSTS, *newcomers], State.UP)
    assert all(watch.roll.view.hearing.listening)
    canaries = other.execute("SELECT name FROM musterd_watch.canary")
    for leg in Leg:  # or cells on one server would overwrite one another's
        assert f"{other.url.rpartition('/')[2]} {leg}" in canaries
    assert watch.answers.member("compute", "n07").zone == "cell2"
    dead.add("n07")
    await look(90)
    other.close()
    states = watch.states()
    assert states.pop("n07") is State.DOWN
    assert set(states.values()) == {State.UP}


async def test_cells_that_cannot_be_had_are_looked_for_again(watch: Watch) -> None:
    insert = "INSERT INTO cell_mappings (uuid, name, database_connection) VALUES ('u', 'odd', '{}')"
    watch.lab.execute(insert.format("sqlite:///odd.db"))
    with capture_logs() as log:
        await watch.cells.look()
        await watch.cells.look()
        watch.lab.server.stop()
        await watch.cells.look()
        watch.lab.server.start()
        watch.lab.execute("DELETE FROM cell_mappings WHERE name = 'odd'")
        await watch.cells.look()
    assert [line["event"] for line in log] == ["cells not known"] * 2
    assert "sqlite" in log[0]["reason"]
    assert len(watch.sweepers) == len(Leg)


async def test_a_database_that_takes_no_changes_is_not_listened_to(watch: Watch) -> None:
    if watch.lab.dialect == "mysql":
        watch.lab.execute("SET GLOBAL read_only = 1")
    else:
        watch.lab.execute("REVOKE UPDATE ON musterd_watch.canary FROM musterd_eye")
    await watch.look(100, silent=True)
    shards = watch.roll.view.hearing.shards
    watch.lab.execute("SET GLOBAL read_only = 0" if watch.lab.dialect == "mysql" else "SELECT 1")
    assert [shard.listening for shard in shards] == [False, False]
    assert set(watch.states().values()) == {State.UP}
    assert set(watch.states("conductor").values()) == {State.UP}


async def test_a_database_that_is_started_anew(watch: Watch) -> None:
    watch.lab.server.stop()
    watch.muted = {*HOSTS, *CONDUCTORS}
    await watch.look(100)
    assert "refused" in watch.reasons[Leg.RPC]
    watch.lab.server.start()
    watch.muted = {"h07"}
    await watch.look(40)
    assert set(watch.states().values()) == {State.UP}
    assert watch.reasons == {Leg.DIRECT: "", Leg.RPC: ""}
    await watch.look(80)
    assert [host for host, state in watch.states().items() if state is State.DOWN] == ["h07"]


async def test_what_is_missing_is_said_with_what_to_do(lab: NovaLab) -> None:
    drop = (
        "DROP DATABASE musterd_watch"
        if lab.dialect == "mysql"
        else "DROP SCHEMA musterd_watch CASCADE"
    )
    lab.execute(drop)
    watch = Watch(lab)
    await watch.begin()
    await watch.look()
    assert (
        "there is no table musterd_watch.canary that this login may write" in watch.reasons[Leg.RPC]
    )
    lab.execute("DROP TABLE services")
    await watch.look()
    assert "has no table services that this login may read" in watch.reasons[Leg.RPC]
    await watch.aclose()
